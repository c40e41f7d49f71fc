"""Types, errors, formatting: what every other room uses.

May import nothing of the harness.
Never here: I/O beyond files.
"""
