"""Pure computation over saved results: statistics, metrics, comparisons, gates, costs.

May import contracts, project (types of configuration) and core.
Never here: files, clocks, network, English sentences.
"""
