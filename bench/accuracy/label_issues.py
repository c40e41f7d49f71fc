"""Measure recall and precision of `harness datasets suspects` on injected label errors.

    python bench/accuracy/label_issues.py FILE --task fpb \
        --models "gpt-4 (July 2023)" "gpt-3.5-turbo (May 2023)"

FILE has real replies: `input`, `allowed`, `reply`, `gold`, `model` and `task` on each line. In each of 20 rounds, 5%
of the labels are replaced at random, and the suspects are listed. Labels that were already wrong in the file count as
correct here, so the measured precision is a lower bound.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import replace
from pathlib import Path

from harness.analysis import label_issues
from harness.contracts.label.contract import LabelContract
from harness.contracts.read import read
from harness.core.types import Case, Manifest, Response, Result, Run, Score

SPOILT = 0.05
TIMES = 20


def run_of(model: str, rows: list[dict], gold: dict[str, str]) -> Run:
    """Run of one model: replies parsed by the label contract and scored with `gold`."""
    results = []
    for row in rows:
        case = Case(row["input"], {"text": row["input"]}, gold[row["input"]])
        reading = read(row["reply"], LabelContract(tuple(row["allowed"]), case_sensitive=False))
        score = Score(reading.strict == case.expected, reading.lenient == case.expected)
        results.append(Result(case, Response(row["reply"]), reading, score, ""))
    none = dict.fromkeys(("task", "prompt", "dataset", "split", "started_at"), "")
    manifest = Manifest(
        model, "bench", variant="v", backend=model, limit=None, labels=(), n_cases=0, fingerprint={}, **none
    )
    return Run(manifest, tuple(results))


def spoilt(run: Run, gold: dict[str, str]) -> Run:
    """Score the same replies with other labels."""
    judged = []
    for result in run.results:
        case, reading = replace(result.case, expected=gold[result.case.id]), result.reading
        score = Score(reading.strict == case.expected, reading.lenient == case.expected)
        judged.append(replace(result, case=case, score=score))
    return replace(run, results=tuple(judged))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--task", required=True)
    parser.add_argument("--models", nargs="+", required=True)
    chosen = parser.parse_args()
    rows = [json.loads(line) for line in chosen.file.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["task"] == chosen.task]
    gold = {row["input"]: row["gold"] for row in rows}
    runs = [run_of(model, [row for row in rows if row["model"] == model], gold) for model in chosen.models]
    own = [run.manifest.cell for run in runs]
    for run in runs:
        right = sum(result.score.lenient for result in run.results)
        print(f"{run.manifest.backend}: {right} of {len(run.results)} right by the labels of the file")
    print(f"{len(label_issues.find(runs, own))} suspects with the labels of the file")
    listed = hit = wrong = 0
    for seed in range(TIMES):
        draw = random.Random(seed)
        bad = draw.sample(sorted(gold), round(SPOILT * len(gold)))
        labels = rows[0]["allowed"]
        given = gold | {i: draw.choice([label for label in labels if label != gold[i]]) for i in bad}
        found = {s.case.id for s in label_issues.find([spoilt(run, given) for run in runs], own)}
        listed, hit, wrong = listed + len(found), hit + len(found & set(bad)), wrong + len(bad)
    share = listed / (TIMES * len(gold))
    print(f"{wrong / TIMES:.0f} labels of {len(gold)} made wrong: {hit / wrong:.0%} of them are among the suspects,")
    print(f"which are {share:.0%} of all cases; {hit / listed:.0%} of what is listed was made wrong")


if __name__ == "__main__":
    main()
