"""Repositories: entities kept in Redis for speed, and in a store behind it for safety.

``repository.py`` says what reading and writing mean. A *memory source* (``source.py``: ``dictmemory.py``, ``redis.py``) runs commands of
Redis; a *fallback source* (``dictfallback.py``, ``sql.py``) keeps documents. Each kind of repository (``hash.py``, ``sorted_set.py`` …)
says only which commands write a document into memory and which read it, so both stores answer every question alike.
"""
