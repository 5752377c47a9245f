"""What a write means and how a query is answered."""
