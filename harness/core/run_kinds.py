"""Prefixes that mark special kinds of runs."""

from __future__ import annotations

OF_A_RUN = "run:"
"""How the dataset of a run is called that is about the replies of another run, as a judge's is."""
