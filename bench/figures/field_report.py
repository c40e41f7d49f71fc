"""Cost of the field report's team, from its call volumes and plausible token counts for each kind of task.

    python bench/figures/field_report.py

tests/support/field_report.py defines the project, its runs and token counts. The runs are synthetic.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from harness.store.runs import open_store  # noqa: E402
from tests.support.field_report import TASKS, field_report, runs  # noqa: E402
from tests.support.project import Project  # noqa: E402


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with TemporaryDirectory() as folder:
        project = field_report(Project(Path(folder)))
        store = open_store(project.load().store_url)
        runs(store)
        store.close()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
        for command in ("cost", "advise"):
            print(f"$ harness {command}", flush=True)
            subprocess.run([sys.executable, "-m", "harness", command], cwd=folder, env=environment, check=True)
    print("the field report:", ", ".join(f"{one.name} ${one.usd_a_month:g}" for one in TASKS))


if __name__ == "__main__":
    main()
