"""Export formats that are not reports: one module each, found by its name, with `render(runs) -> bytes`."""
