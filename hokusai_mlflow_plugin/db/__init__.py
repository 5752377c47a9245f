"""Tables, SQL on them, and migrations. Knows neither MLflow's Python code nor Flask."""
