"""Our tables, MLflow's as far as we read them, and migrations."""
