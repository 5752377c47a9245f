"""The questions that the routes answer, page by page, for who may see what."""
