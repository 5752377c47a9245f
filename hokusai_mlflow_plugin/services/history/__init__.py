"""What happened to tokens and models: put on record."""
