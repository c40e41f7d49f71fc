"""One file an export format that is no report, found by its name. Each has `render(runs) -> bytes`."""
