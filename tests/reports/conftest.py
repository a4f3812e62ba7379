"""The example report: as JSON that a test may change, as a frozen report, and in other sizes."""

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nightschool.reports.report_file import parse
from nightschool.reports.writer import write
from nightschool.stats.results import Report

EXAMPLE = Path(__file__).parent / "report_example.json"
"""A report of 5 kinds and 56 test notes as version 0.1.0 wrote it: some Japanese, one hostile note."""

TIMELINE = [
    ("2026-11-23T13:40:00+00:00", "run 3 queued (goal: compare)"),
    ("2026-11-23T14:02:11+00:00", "502 notes in 5 kinds: 391 for training, 55 for validation, 56 for testing"),
    ("2026-11-23T14:02:11+00:00", "prep done"),
    ("2026-11-23T14:06:40+00:00", "25 of 56 test notes right (45 %)"),
    ("2026-11-23T14:06:41+00:00", "baseline done"),
    ("2026-11-23T14:12:00+00:00", "train: chunk_done (the part that fits is chosen; its training comes next)"),
    ("2026-11-23T15:31:05+00:00", "train: owner_active (you are active: idle for 4 s of 10 min)"),
    ("2026-11-23T16:12:00+00:00", "resumed after step 43 of 120"),
    ("2026-11-23T18:20:00+00:00", "train: on_battery (the computer runs on battery)"),
    ("2026-11-23T21:00:00+00:00", "train: outside_window (the next window opens at 23:00)"),
    ("2026-11-23T22:00:30+00:00", "resumed after step 97 of 120"),
    ("2026-11-23T23:10:00+00:00", "train done"),
    ("2026-11-23T23:14:30+00:00", "45 of 56 test notes right (80 %)"),
    ("2026-11-23T23:14:30+00:00", "evaluate done"),
]  # fmt: skip
NIGHT = [
    ("prep", "13:40:00", "14:02:00", "waited", "queued"),
    ("prep", "14:02:00", "14:02:11", "worked", ""),
    ("baseline", "14:02:11", "14:06:41", "worked", ""),
    ("train", "14:06:41", "15:31:05", "worked", ""),
    ("train", "15:31:05", "16:12:00", "aside", "owner_active"),
    ("train", "16:12:00", "18:20:00", "worked", ""),
    ("train", "18:20:00", "18:32:00", "aside", "on_battery"),
    ("train", "18:32:00", "21:00:00", "worked", ""),
    ("train", "21:00:00", "22:00:30", "waited", "outside_window"),
    ("train", "22:00:30", "23:10:00", "worked", ""),
    ("evaluate", "23:10:00", "23:14:30", "worked", ""),
    ("compare", "23:14:30", "23:15:10", "worked", ""),
]  # fmt: skip

Data = dict[str, Any]


@pytest.fixture
def data() -> Data:
    """The example report as JSON, for a test to change and then `parse`."""
    return _example()


@pytest.fixture(scope="session")
def report() -> Report:
    return parse(_example())


@pytest.fixture(scope="session")
def full_report() -> Report:
    """All arms, a champion, three seeds, a kind none, checks of each outcome, a whole night."""
    return parse(_full())


@pytest.fixture(scope="session")
def minimal_report() -> Report:
    """A report of an early version, without a log."""
    return parse(_minimal())


@pytest.fixture(scope="session")
def report_with_kinds() -> Callable[[Sequence[str]], Report]:
    """Makes a report with kinds of the given names."""
    return lambda names: parse(_with_kinds(list(names)))


@pytest.fixture
def unlogged(data: Data) -> Data:
    """The example without losses, changes and warnings."""
    data["training"]["losses"], data["training"]["validation"] = [], []
    data["changes"], data["dataset"]["warnings"] = [], []
    return data


@pytest.fixture(scope="session")
def written(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the report's files, written once."""
    folder = tmp_path_factory.mktemp("reports") / "run-3"
    write(report, folder)
    return folder


@pytest.fixture(scope="session")
def hostile_kind() -> str:
    return "<b>$idea$</b> & [red]co"


@pytest.fixture(scope="session")
def thin_kind() -> str:
    """A kind with 4 test notes."""
    return "recipe"


def _example() -> Data:
    data: Data = json.loads(EXAMPLE.read_text("utf-8"))
    return {**data, "label_leaks": None}  # which 0.1.0 did not look for


def _full() -> Data:
    data = _example()
    words, before = _arm(data, "tfidf-lr"), _arm(data, "before")
    data["arms"][2:2] = [
        _another_arm(words, "features-lr", 0.66, 0.981),
        _another_arm(words, "embeddings-lr", 0.70, 0.902),
        _another_arm(before, "zero-shot", 0.38, 0.99999),
        _another_arm(before, "few-shot", 0.52, 0.9991),
        _another_arm(words, "server", 0.77, 0.68),
    ]
    data["decision"], data["more_notes"], data["rivals"] = (
        "inconclusive",
        64,
        ["embeddings-lr"],
    )
    champion = [
        {"reference": "champion", "name": "better", "passed": False, "settled": False,
         "detail": "against the model in use, 9 of 56 test notes fixed, 5 broken: better with a "
                   "probability of 84.2 %; 95 % is required"},
        {"reference": "champion", "name": "kinds", "passed": False, "settled": True,
         "detail": 'of 16 notes "journal", 16 recognized before, 11 after: a drop beyond chance'},
        {"reference": "before", "name": "none", "passed": True, "settled": False,
         "detail": 'of 4 notes "none", 1 recognized before, 2 after: too few notes to see a drop'},
    ]  # fmt: skip
    rival = {"reference": "before", "name": "cheap arms", "passed": False, "settled": False,
                    "detail": "embeddings-lr may be as good: 56 notes cannot tell"}  # fmt: skip
    data["checks"] = [*data["checks"][:3], *champion, rival]
    data["reason"] = champion[0]["detail"]
    data["champion"] = {
        "run": 2, "accuracy": 0.732, "why_not": "",
        "paired": {**data["paired"], "wins": 9, "losses": 5, "mcnemar_p": 0.424, "p_better": 0.842,
                   "p_worse": 0.09, "delta_accuracy": 0.071, "delta_ci": [-0.06, 0.2],
                   "delta_macro_f1": 0.05, "delta_macro_f1_ci": [-0.04, 0.14]},
    }  # fmt: skip
    for name, recall in (("before", 0.25), ("after", 0.5)):
        data["out_of_scope"][name] = {
            "kind": "none", "n": 14, "recall": recall, "recall_ci": [recall - 0.2, recall + 0.2],
            "false_alarms": 0.04, "auroc": 0.6 + recall / 2, "auroc_ci": [0.55, 0.95],
        }  # fmt: skip
    data["risk_coverage"]["before"] = {
        "points": [[n / 56, 0.3 + 0.25 * n / 56] for n in range(1, 57)], "aurc": 0.42, "risk": 0.55,
    }  # fmt: skip
    data["risk_coverage"]["after"] = {
        "points": [[n / 56, 0.2 * (n / 56) ** 2] for n in range(1, 57)], "aurc": 0.08, "risk": 0.2,
    }  # fmt: skip
    data["calibration"]["after"]["plain"]["bins"] = [
        {"confidence": 0.58, "accuracy": 0.35, "accuracy_ci": [0.16, 0.6], "n": 12},
        {"confidence": 0.76, "accuracy": 0.62, "accuracy_ci": [0.3, 0.86], "n": 8},
        {"confidence": 0.97, "accuracy": 0.93, "accuracy_ci": [0.8, 0.98], "n": 36},
    ]
    assert data["abstention"]
    data["abstention"]["thresholded"] |= {"right": 0.852, "right_ci": [0.73, 0.93], "cost": 0.197}
    first = data["seeds"][0]
    data["seeds"] += [
        {**first, "seed": 1, "used": False, "accuracy": 0.768, "validation_loss": 0.69},
        {**first, "seed": 2, "used": False, "accuracy": 0.821, "validation_loss": None},
    ]
    data["timeline"] = [{"at": at, "event": event} for at, event in TIMELINE]
    data["night"] = [
        {
            "stage": stage,
            "start": f"2026-11-23T{start}+00:00",
            "end": f"2026-11-23T{end}+00:00",
            "state": state,
            "reason": reason,
        }
        for stage, start, end, state, reason in NIGHT
    ]
    data["created"] = "2026-11-23T23:15:10+00:00"
    return data


def _minimal() -> Data:
    data = _example()
    data["arms"] = [_arm(data, "before"), _arm(data, "after")]
    for arm in data["arms"]:
        arm["macro_f1_ci"], arm["after_better"] = [], None
        for scores in arm["per_kind"].values():
            scores["recall_ci"] = []
    data["paired"]["delta_macro_f1_ci"] = []
    data["checks"], data["answers"], data["seeds"] = [], [], []
    data["calibration"], data["risk_coverage"], data["abstention"] = {}, {}, None
    data["looks"] = {"looks": 0, "models": 0, "optimism": 0.0, "by": []}
    for change in data["changes"]:
        change["before_probability"] = change["after_probability"] = None
    data["training"]["losses"], data["training"]["validation"] = [], []
    data["timeline"], data["dataset"]["warnings"], data["chosen"] = [], [], []
    data["night"] = []
    return data


def _with_kinds(names: list[str]) -> Data:
    """As many kinds as names, eleven test notes each, and two of every kind mixed up."""
    data = _example()
    data["kinds"], data["items"] = names, 11 * len(names)
    for arm in data["arms"]:
        one = next(iter(arm["per_kind"].values()))
        scores = {**one, "n": 11, "recall": 8 / 11, "f1": 0.74}
        arm["per_kind"] = {name: {**scores} for name in names}
        arm["confusion"] = {
            name: {name: 8, names[(place + 1) % len(names)]: 2, names[place // 2]: 1}
            for place, name in enumerate(names)
        }
    for place, change in enumerate(data["changes"]):
        fixed = change["after"] == change["kind"]
        true, other = names[place % len(names)], names[(place + 1) % len(names)]
        change["kind"] = true
        change["before"], change["after"] = (other, true) if fixed else (true, other)
    return data


def _arm(data: Data, name: str) -> Data:
    return next(arm for arm in data["arms"] if arm["name"] == name)


def _another_arm(like: Data, name: str, accuracy: float, better: float) -> Data:
    arm = copy.deepcopy(like)
    spread = [accuracy - 0.12, min(1.0, accuracy + 0.11)]
    arm |= {"name": name, "accuracy": accuracy, "accuracy_ci": spread, "after_better": better}
    return arm | {"macro_f1": 0.5, "macro_f1_ci": [0.38, 0.62]}
