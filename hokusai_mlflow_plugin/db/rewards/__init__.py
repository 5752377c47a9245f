"""The ledger and its deliveries in SQL."""
