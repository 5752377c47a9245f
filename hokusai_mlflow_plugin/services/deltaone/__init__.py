"""Deciding on versions: heads, evidence, locked tags."""
