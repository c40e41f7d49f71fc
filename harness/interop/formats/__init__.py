"""Foreign formats: one module each, found by its name, with `fits(source)`, `title(source)`, `read(source, wanted)`."""
