"""The queries that the routes answer, page by page, for who may see what."""
