"""Decide which tasks to move, and write their routing.

May import runner, router and everything below them.
Never here: model calls, terminal output.
"""
