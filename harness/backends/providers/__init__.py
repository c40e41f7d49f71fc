"""One file per provider, found by its name. Its constant `PROVIDER` is the class of its backends.

May import the rest of backends, store, project and core.
Never here: an SDK at the top of a module; `harness --help` and reports load these files.
"""
