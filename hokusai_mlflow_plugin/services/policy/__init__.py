"""Findings of the audit policy."""
