"""The tool-call contract."""
