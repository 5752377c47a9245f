"""Totals of tokens in SQL."""
