"""The label contract."""
