"""What a run amounts to. One file a family of metrics; every rate with its interval, every count with its denominator."""
