"""The database: runs, traffic, batches, leases, and recordings.

May import core only.
Never here: statistics, model calls.
"""
