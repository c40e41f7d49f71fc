"""One file a format, found by its name, which is the ending. Each has `render(report) -> str | bytes`."""
