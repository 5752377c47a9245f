"""The ledger of reward events: written, verified, delivered."""
