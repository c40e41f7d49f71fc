"""The free-text contract."""
