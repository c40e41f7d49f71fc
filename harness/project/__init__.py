"""The files that a user writes: harness.toml, evals, prompts, datasets, routing.toml, prices.

May import core only.
Never here: the database, model calls.
"""
