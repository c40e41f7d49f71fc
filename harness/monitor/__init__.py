"""Watch production: weekly samples, labels, signals, verdicts.

May import report, tasks and everything below them.
Never here: model calls.

weeks       logged calls, counted by task and ISO week
    tallies     these counts, kept
    signals     the newest whole week against the weeks before it, by a rule that holds its false alarms over a year
    sampling    a stratified sample of logged calls
    sheets      what was drawn and what people said of it, in the store
    files       the sheet as CSV and as a page, and labels read back
    verdicts    what the labels come to: accuracy with its interval, against the baseline
    power       what a weekly sample can see

How each is done, and how well: docs/monitoring.md.
"""
