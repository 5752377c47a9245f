"""The client of Hokusai's token-aware model registry; see :mod:`hokusai.core`."""
