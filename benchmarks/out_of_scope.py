"""None of the above on CLINC150: a whole run on ten intents and out-of-scope texts.

    python benchmarks/out_of_scope.py --clinc ../shared/data/clinc150 --work /tmp/out-of-scope

`--clinc` holds CLINC150's data_small.json (github.com/clinc/oos-eval): the first ten intents by name, 100
texts each, and its 1200 out-of-scope texts as the kind "none". A school with the included base model and
the cpu-demo preset, `nightschool run --now`, split as prep does (20 % test); four minutes on two cores.
`--work` is kept, so that its report can be read. Each arm with probabilities prints one JSON line: accuracy
on in-scope texts, recall and false alarms of "none", AUROC. Then follow the trained model's results with
and without the abstention threshold from the validation texts, on corrected probabilities, as in
`classify`. Intervals are 95 %: in-scope accuracy, recall and false alarms of before and after by Wilson for
independent texts, all others as in the report, by group.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

INTENTS = 10


def notes(found: dict[str, list[tuple[str, str]]]) -> list[dict[str, str]]:
    """The rows of a JSONL file of notes."""
    kinds = sorted({kind for _, kind in found["train"]})[:INTENTS]
    inside = [row for split in ("train", "val", "test") for row in found[split] if row[1] in kinds]
    outside = [
        (text, "none") for split in ("train", "val", "test") for text, _ in found[f"oos_{split}"]
    ]
    return [{"text": text, "label": kind.replace("_", " ")} for text, kind in [*inside, *outside]]


def nightschool(work: Path, *words: str) -> str:
    """The output of a nightschool command."""
    command = [sys.executable, "-m", "nightschool", "--school", str(work), *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def shares(answers: list[tuple[str, str]]) -> dict[str, Any]:
    """In-scope accuracy, recall and false alarms of "none" of (true, answered) pairs."""
    from nightschool.stats.intervals import wilson

    def share(hits: list[bool]) -> list[float]:
        return [
            round(sum(hits) / len(hits), 4),
            *(round(end, 4) for end in wilson(sum(hits), len(hits))),
        ]

    inside = [(true, answer) for true, answer in answers if true != "none"]
    return {
        "n": [len(inside), len(answers) - len(inside)],
        "in_scope_accuracy": share([true == answer for true, answer in inside]),
        "none_recall": share([answer == "none" for true, answer in answers if true == "none"]),
        "false_alarms": share([answer == "none" for _, answer in inside]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clinc", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    found = json.loads((given.clinc / "data_small.json").read_text("utf-8"))
    with given.work.joinpath("clinc.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in notes(found))
    if not given.work.joinpath("nightschool.toml").exists():
        given.work.joinpath("nightschool.toml").write_text(
            'preset = "cpu-demo"\nbase = "demo"\n[notes]\nfolder = "clinc.jsonl"\n',
            encoding="utf-8",
        )
    nightschool(given.work, "run", "--now")
    report = json.loads(nightschool(given.work, "report", "--json"))
    for name, arm in report["out_of_scope"].items():
        line = {"arm": name, **{key: arm[key] for key in ("recall", "recall_ci", "false_alarms")}}
        print(json.dumps(line | {"auroc": arm["auroc"], "auroc_ci": arm["auroc_ci"]}))
    for name in ("before", "after"):
        line = {
            "arm": name,
            **shares([(answer["kind"], answer[name]) for answer in report["answers"]]),
        }
        print(json.dumps(line))
    if report["abstention"]:
        least = report["abstention"]["threshold"]
        for name, arm in (("after", "plain"), (f"after, from {least:.3f}", "thresholded")):
            print(json.dumps({"arm": name, **report["abstention"][arm]}))


if __name__ == "__main__":
    main()
