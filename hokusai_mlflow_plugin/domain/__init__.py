"""The rules of the registry, free of any framework: standard library only."""
