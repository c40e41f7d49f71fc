"""Run evals: plan the requests, send them, retry, read, score, save.

May import report, tasks and everything below them.
Never here: terminal output, statistics.
"""
