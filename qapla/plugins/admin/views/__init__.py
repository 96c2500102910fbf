"""The pages of the admin, one module for each kind of page."""
