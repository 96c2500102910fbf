"""lazydb's own pages: the overview of databases, the form of a connection, one database."""
