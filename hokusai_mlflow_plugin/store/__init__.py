"""MLflow's registry store with the token rules in its own session and transaction."""
