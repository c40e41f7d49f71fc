"""What a run amounts to. One family of metrics, one file; each rate has its interval, each count its denominator."""
