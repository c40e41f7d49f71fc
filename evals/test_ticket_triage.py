"""A custom test next to the gates: replies to hard tickets are in the right format."""


def test_hard_tickets_are_answered_in_format(run_eval):
    cell = run_eval("ticket_triage")
    hard = dict(cell.summary.by_tag)["hard"]
    assert hard.compliance.low > 0.5, hard.compliance
