"""What happened to tokens and models, in SQL."""
