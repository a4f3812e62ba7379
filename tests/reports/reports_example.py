"""One realistic report: 5 kinds, 56 test notes, some Japanese, and one hostile note."""

from collections import Counter

from nightschool.reports.contract import Arm, ArmName, Change, KindScores, Report

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
        per_kind[kind] = {"precision": precision, "recall": recall, "f1": f1, "n": SIZES[kind]}
    return {
        "name": name,
        "accuracy": sum(true == answer for true, answer in answers) / len(answers),
        "accuracy_ci": INTERVALS[name],
        "macro_f1": sum(scores["f1"] for scores in per_kind.values()) / len(KINDS),
        "per_kind": per_kind,
        "confusion": {
            kind: dict(Counter(answer for true, answer in answers if true == kind))
            for kind in KINDS
        },
    }


def _changes() -> list[Change]:
    changes: list[Change] = []
    both = zip(_answers("before"), _answers("after"), strict=True)
    for number, ((kind, before), (_, after)) in enumerate(both):
        if (before == kind) != (after == kind):
            text = HOSTILE_TEXT if not changes else NOTES[kind]
            changes.append(
                {
                    "source": f"{kind}/2026-{number:02d}.md",
                    "text": text,
                    "kind": kind,
                    "before": before,
                    "after": after,
                }
            )
    return changes


def _losses() -> list[list[float]]:
    return [
        [step, 0.35 + 2.1 / (1 + step / 9) + 0.22 * ((step * 7919 % 13) / 13 - 0.5)]
        for step in range(1, 121)
    ]


REPORT: Report = {
    "run": 3,
    "items": 56,
    "arms": [_arm("majority"), _arm("tfidf-lr"), _arm("before"), _arm("after")],
    "arm_notes": {"server": "absent: server.url names no server"},
    "paired": {"wins": 21, "losses": 1, "mcnemar_p": 0.00001, "delta_accuracy": 20 / 56,
               "delta_ci": [0.232, 0.482]},
    "decision": "promote",
    "reason": "The 95 % interval of the gain lies above 0 and macro-F1 rose by 0.31.",
    "kinds": KINDS,
    "base": "HuggingFaceTB/SmolLM2-360M",
    "created": "2026-11-24T03:00:00+00:00",
    "dataset": {
        "fingerprint": "sha256:5f1d0f7f5b0c4c7c9d4a3be1c0f2a8d7e6b5c4a39281706f5e4d3c2b1a09f8e7",
        "train": 391, "validation": 55, "test": 56, "cut": 7,
        "warnings": ["recipe has 31 notes; below 50 the model learns little of a kind.",
                     "12 near-duplicates were kept on one side of the split."],
    },
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
