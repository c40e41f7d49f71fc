"""Types, errors and formatting for all other rooms.

May import nothing of the harness.
Never here: I/O beyond files.
"""
