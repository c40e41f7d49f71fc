"""A test of one's own beside the gates: what must hold for the hard tickets."""


def test_hard_tickets_are_answered_in_format(run_eval):
    cell = run_eval("ticket_triage")
    hard = dict(cell.summary.by_tag)["hard"]
    assert hard.compliance.low > 0.5, hard.compliance
