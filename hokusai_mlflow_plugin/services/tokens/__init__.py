"""What is known of a token over all its versions."""
