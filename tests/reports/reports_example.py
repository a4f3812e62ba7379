"""One realistic report: 5 kinds, 56 test notes, some Japanese, and one hostile note."""

from collections import Counter

from nightschool.stats.results import (
    Answer,
    Arm,
    ArmName,
    Bin,
    Calibration,
    Change,
    Check,
    KindScores,
    Reliability,
    Report,
    RiskCoverage,
)

HOSTILE_KIND = "<b>$idea$</b> & [red]co"
HOSTILE_TEXT = (
    '</blockquote><script src="https://evil.example/x.js"></script>'
    "<img src=http://evil.example/p.png onerror=alert(1)> {{ 7 * 7 }}"
)
KINDS = sorted(["journal", "meeting", "recipe", "買い物", HOSTILE_KIND])
THIN_KIND = "recipe"
SIZES = {"journal": 16, "meeting": 14, THIN_KIND: 4, "買い物": 12, HOSTILE_KIND: 10}
RIGHT: dict[ArmName, dict[str, int]] = {
    "majority": {"journal": 16},
    "tfidf-lr": {"journal": 13, "meeting": 10, "買い物": 6, HOSTILE_KIND: 5},
    "before": {"journal": 11, "meeting": 7, THIN_KIND: 1, "買い物": 4, HOSTILE_KIND: 2},
    "after": {"journal": 14, "meeting": 12, THIN_KIND: 2, "買い物": 10, HOSTILE_KIND: 7},
}
INTERVALS: dict[ArmName, list[float]] = {
    "majority": [0.181, 0.416],
    "tfidf-lr": [0.476, 0.723],
    "before": [0.326, 0.575],
    "after": [0.681, 0.886],
}
F1_INTERVALS: dict[ArmName, list[float]] = {
    "majority": [0.06, 0.12],
    "tfidf-lr": [0.38, 0.62],
    "before": [0.27, 0.5],
    "after": [0.6, 0.86],
}
AFTER_BETTER: dict[ArmName, float] = {"majority": 0.9999, "tfidf-lr": 0.973, "before": 0.99999}
NOTES = {
    "journal": "今日は雨。午後から図書館で三時間、論文の続きを読んだ。帰りに商店街で焼き芋。",
    "meeting": "Mtg w/ Sato-san 10:00. Agreed: ship on Friday.\nOpen: who writes the docs?",
    THIN_KIND: "Dashi 600 ml, miso 3 tbsp, tofu, wakame. Do not boil after the miso. " * 8,
    "買い物": "牛乳、卵、単三電池 4本、洗剤(詰め替え)",
    HOSTILE_KIND: "What if the kettle knew when I get up?",
}


def _answers(arm: ArmName) -> list[tuple[str, str]]:
    """(true kind, answer) of every note; what is not right goes round the other kinds."""
    pairs = []
    for kind in KINDS:
        others = [other for other in KINDS if other != kind]
        for place in range(SIZES[kind]):
            right = place < RIGHT[arm].get(kind, 0)
            if arm == "after" and kind == "journal":
                right = 0 < place <= RIGHT[arm][kind]  # the first was right before: broken
            wrong = "journal" if arm == "majority" else others[place % len(others)]
            pairs.append((kind, kind if right else wrong))
    return pairs


def _arm(name: ArmName) -> Arm:
    answers = _answers(name)
    per_kind: dict[str, KindScores] = {}
    for kind in KINDS:
        hits = sum(true == answer == kind for true, answer in answers)
        answered = sum(answer == kind for _, answer in answers)
        precision, recall = hits / max(1, answered), hits / SIZES[kind]
        f1 = 2 * hits / (answered + SIZES[kind])
        per_kind[kind] = {
            "precision": precision, "recall": recall, "f1": f1, "n": SIZES[kind],
            "recall_ci": [max(0.0, recall - 0.2), min(1.0, recall + 0.2)],
        }  # fmt: skip
    return {
        "name": name,
        "accuracy": sum(true == answer for true, answer in answers) / len(answers),
        "accuracy_ci": INTERVALS[name],
        "macro_f1": sum(scores["f1"] for scores in per_kind.values()) / len(KINDS),
        "macro_f1_ci": F1_INTERVALS[name],
        "after_better": AFTER_BETTER.get(name),
        "per_kind": per_kind,
        "confusion": {
            kind: dict(Counter(answer for true, answer in answers if true == kind))
            for kind in KINDS
        },
    }


def _all_answers() -> list[Answer]:
    both = zip(_answers("before"), _answers("after"), strict=True)
    return [
        {
            "source": f"{kind}/2026-{number:02d}.md", "kind": kind, "before": before, "after": after,
            "before_probability": 0.31, "after_probability": 0.5 + number / 200,
        }
        for number, ((kind, before), (_, after)) in enumerate(both)
    ]  # fmt: skip


def _changes() -> list[Change]:
    changes: list[Change] = []
    for answer in _all_answers():
        if (answer["before"] == answer["kind"]) != (answer["after"] == answer["kind"]):
            text = HOSTILE_TEXT if not changes else NOTES[answer["kind"]]
            changes.append({**answer, "text": text})
    return changes


def _calibration(ece: float) -> Calibration:
    bins: list[Bin] = [
        {"confidence": 0.45, "accuracy": 0.4, "accuracy_ci": [0.2, 0.64], "n": 15},
        {"confidence": 0.85, "accuracy": 0.95, "accuracy_ci": [0.84, 0.99], "n": 41},
    ]
    plain: Reliability = {"bins": bins, "ece": ece, "ece_by_chance": 0.06, "log_loss": 0.9}
    scaled: Reliability = {"bins": bins, "ece": 0.08, "ece_by_chance": 0.06, "log_loss": 0.7}
    return {"temperature": 1.62, "validation": 55, "plain": plain, "scaled": scaled}


RISK_COVERAGE: RiskCoverage = {
    "points": [[0.25, 0.0], [0.5, 0.07], [0.75, 0.14], [1.0, 0.2]], "aurc": 0.08, "risk": 0.2,
}  # fmt: skip
CHECKS: list[Check] = [
    {"reference": "before", "name": "better", "passed": True, "settled": True,
     "detail": "21 of 56 test notes fixed, 1 broken: better with a probability of at least 99.9 %"},
    {"reference": "before", "name": "macro-F1", "passed": True, "settled": True,
     "detail": "macro-F1 +0.37 (+0.24 to +0.50): its lower end is above −0.05"},
    {"reference": "before", "name": "kinds", "passed": True, "settled": True,
     "detail": "none of 4 kinds is found less often beyond chance (1 kind with fewer than 10 not "
               "looked at)"},
    {"reference": "before", "name": "cheap arms", "passed": True, "settled": True,
     "detail": "better beyond chance than majority, tfidf-lr"},
]  # fmt: skip


def _losses() -> list[list[float]]:
    return [
        [step, 0.35 + 2.1 / (1 + step / 9) + 0.22 * ((step * 7919 % 13) / 13 - 0.5)]
        for step in range(1, 121)
    ]


REPORT: Report = {
    "format": 2,
    "run": 3,
    "items": 56,
    "arms": [_arm("majority"), _arm("tfidf-lr"), _arm("before"), _arm("after")],
    "arm_notes": {"server": "absent: server.url names no server"},
    "paired": {"wins": 21, "losses": 1, "mcnemar_p": 0.00001, "delta_accuracy": 20 / 56,
               "delta_ci": [0.232, 0.482], "p_better": 0.99999, "p_worse": 0.0,
               "design_effect": 1.1, "delta_macro_f1": 0.37, "delta_macro_f1_ci": [0.24, 0.5]},
    "decision": "promote",
    "reason": CHECKS[0]["detail"],
    "checks": CHECKS,
    "more_notes": None,
    "rivals": [],
    "champion": None,
    "calibration": {"before": _calibration(0.3), "after": _calibration(0.14)},
    "risk_coverage": {"before": RISK_COVERAGE, "after": RISK_COVERAGE},
    "out_of_scope": {},
    "abstention": {
        "threshold": 0.44, "coverage": 0.86, "risk": 0.1, "unsorted_cost": 0.5,
        "validation": 55, "in_use": False,
        "plain": {"accuracy": 0.8, "accuracy_ci": [0.68, 0.89], "answered": 1.0, "right": 0.8,
                  "right_ci": [0.68, 0.89], "none_recall": None, "cost": 0.2},
        "thresholded": {"accuracy": 0.77, "accuracy_ci": [0.64, 0.86], "answered": 0.86,
                        "right": 0.9, "right_ci": [0.78, 0.95], "none_recall": None,
                        "cost": 0.16},
    },
    "looks": {"looks": 7, "models": 3, "optimism": 0.042,
              "by": ["run 1: base", "run 1: adapter"]},
    "seeds": [{"seed": 0, "used": True, "accuracy": 0.804, "macro_f1": 0.76,
               "validation_loss": 0.66, "adapter_sha256": "b1946ac92492d2347c6235b4d2611184" * 2}],
    "kinds": KINDS,
    "base": "HuggingFaceTB/SmolLM2-360M",
    "created": "2026-11-24T03:00:00+00:00",
    "dataset": {
        "fingerprint": "sha256:5f1d0f7f5b0c4c7c9d4a3be1c0f2a8d7e6b5c4a39281706f5e4d3c2b1a09f8e7",
        "train": 391, "made": 0, "validation": 55, "test": 56, "groups": 51, "cut": 7,
        "warnings": ["recipe has 31 notes; below 50 the model learns little of a kind.",
                     "12 near-duplicates were kept on one side of the split."],
    },
    "answers": _all_answers(),
    "changes": _changes(),
    "training": {
        "steps": 120, "seconds": 4335.2, "losses": _losses(),
        "validation": [[40, 0.92], [80, 0.71], [120, 0.66]],
        "adapter_sha256": "b1946ac92492d2347c6235b4d2611184" * 2,
    },
    "chosen": [
        {"name": "precision", "value": "fp16", "reason": "compute capability 7.5 has no bf16"},
        {"name": "max_tokens", "value": "384", "reason": "98 % of the notes are shorter"},
        {"name": "token_budget", "value": "2140", "reason": "the largest that fits: "
                                                            "5.61 GB of 5.80 GB"},
    ],
    "night": [],
    "timeline": [
        {"at": "2026-11-23T16:02:11+00:00", "event": "Prep: 502 notes, 5 kinds"},
        {"at": "2026-11-23T16:04:40+00:00", "event": "Baseline: 45 % right"},
        {"at": "2026-11-23T16:31:05+00:00", "event": "Training paused at step 43: user_active"},
        {"at": "2026-11-23T17:12:00+00:00", "event": "Training went on from step 43"},
        {"at": "2026-11-24T02:58:30+00:00", "event": "Evaluated: 80 % right"},
    ],
    "settings": '[school]\nnotes = "~/notes"\n\n[training]\npreset = "gentle"\nrank = 16\n'
                'note = "a long line that must scroll in its own box and never widen a phone"\n',
    "versions": {"nightschool": "0.1.0", "torch": "2.9.0", "transformers": "5.0.1",
                 "python": "3.11.7"},
}  # fmt: skip
