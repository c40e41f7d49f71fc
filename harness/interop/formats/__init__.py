"""One file a foreign format, found by its name. Each has `fits(source)`, `title(source)` and `read(source, wanted)`."""
