"""Keys of the properties that the plugin adds to test reports."""

from __future__ import annotations

RUN_PROPERTY = "harness_run"
"""The id of the test's run."""

UPDATE_PROPERTY = "harness_baseline"
"""What `--update-baselines` has changed."""
