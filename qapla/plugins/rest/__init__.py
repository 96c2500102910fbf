"""A REST API in the PostgREST dialect for every database in the catalog."""
