"""Decide which tasks to move, and write the routing that follows from it.

May import runner, router and everything below them.
Never here: model calls, terminal output.
"""
