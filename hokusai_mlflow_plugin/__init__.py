"""Hokusai's token-aware model registry, as a plugin for the MLflow tracking server."""

__version__ = "0.1.0"
