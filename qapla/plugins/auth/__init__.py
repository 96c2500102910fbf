"""Who is asking: login, sessions, API tokens, passwords."""
