"""Judging models: whether one improves on what its token had before."""
