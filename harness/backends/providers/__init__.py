"""One file per provider, found by its name."""
