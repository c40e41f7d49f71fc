"""Watch production: weekly samples, labels, signals, verdicts.

May import runner, router and everything below them.
Never here: model calls.

    weeks             ISO weeks, and logged calls counted by task and week
    weekly_counts     these counts, cached in the store
    signals           the newest whole week compared with the weeks before, with a yearly false-alarm rate
    sampling          a stratified sample of logged calls
    sheets            samples and people's labels, in the store
    label_files       a sample as CSV; labels read from CSV and JSON
    label_page        a sample as an HTML page for labelling
    task_labels       which tasks have a list of labels
    review            accuracy of the labelled replies, compared with a baseline
    review_counts     labels counted by stratum
    review_bases      what a review is compared with, and the project's recent reviews
    traffic_judge     a judge's verdicts on all logged replies of a sheet's period
    review_rule       the rule for REGRESSED: one budget of false alarms for all cells and weeks
    review_power      chance that a weekly sample detects a drop
    weekly_findings   signals and the newest review, for `harness weekly`
    wording           signals and reviews as text

docs/monitoring.md explains the methods and how well they work.
"""
