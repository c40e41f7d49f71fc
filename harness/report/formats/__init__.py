"""One file per format, named after its file ending. Each has `render(report) -> str | bytes`."""
