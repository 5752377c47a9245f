"""The token index in SQL: written, read, scanned and repaired."""
