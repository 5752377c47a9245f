"""Series, heads and decisions in SQL."""
