"""Run evals: plan the requests, send them, retry, read, score, save.

execution.py         turns names and options into cells (plan.py), then runs the engine
selection.py         selects the cases of --case and --filter
engine.py            runs backends concurrently; backend_session.py runs the cells of one backend in sequence
cell_runner.py       runs one cell with a producer, N callers and a writer; takes cached and resumed results first
  budget.py          reserves the maximum cost of a call before it is sent
  retrying.py        sends a request with retries; pacing/ sets concurrency and rate
  tasks (room)       read_and_score: the contract reads the reply, the task scores it
  saving.py          writes results durably; then events.py notifies listeners
gate_checks.py       judges the gates of a finished run; llm_judge.py scores summaries; rescore.py reads again
estimate.py          estimates calls, tokens and dollars before a run; staleness.py compares a saved run with the files

May import report, tasks and everything below them.
Never here: terminal output, statistics.
"""
