"""Every name of MLflow's that is not public, and what differs between its versions.

This room alone uses them; ``tests/contract`` fails when one of them changes its shape.
"""
