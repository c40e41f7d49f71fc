"""Metrics of a run, one module per family. Each rate has a confidence interval, each count a denominator."""
