"""Many databases in one application: what they look like, what is asked of them, and the sessions that ask."""
