"""Registering a model with a server that has not logged it (R16)."""
