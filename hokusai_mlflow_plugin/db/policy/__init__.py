"""Findings of the audit policy in SQL."""
