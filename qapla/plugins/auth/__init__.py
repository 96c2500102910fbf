"""Who is asking: passwords and sessions for people, tokens for programs.

Adds      ``app["identifier"]``, a ``qapla.ports.Identifier``; a signed session cookie and CSRF tokens; pages to log in and out.
Uses      ``app["accounts"]``, a ``qapla.ports.AccountStore``; ``app["sealing"]`` for the key that signs sessions; the ``.pt`` renderer.
Settings  ``auth:idle_s``, after which an unused session ends; ``auth:lifetime_s``, after which every session does.
"""
