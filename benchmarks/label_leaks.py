"""Whether planted label leaks are found, and how often notes without any raise a false alarm.

    python benchmarks/label_leaks.py --notes ../shared/data/notes --clinc ../shared/data/clinc150 --json
    python benchmarks/label_leaks.py --notes ... --sizes 240 --draws 3

`planted`: into 60, 240 and all notes drawn from `--notes`, a leak of each form is planted, in 100, 80 and
50 % of the notes of one kind or of all kinds, and in 0 or 5 % of the others. A leak counts as found if a
finding names the kind and overlaps what was planted; `right` is the share of findings that do, and
`findings` their number, which is that of `found` if each leak is one finding. With `--accuracy` the
accuracy of word counts with and without the leaks is given for the largest share, as it takes seconds.
`clean`: findings in notes without a planted leak: random samples of `--notes`, of the demo's notes, and
CLINC150 with 10 and 150 intents, whose subjects are in nearly every text of an intent and are no leaks;
`seconds` is the processor time of a search.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nightschool.notes.readers import read_notes
from nightschool.scoring.leak_accuracy import leak_accuracy, without_topics
from nightschool.scoring.leak_phrases import LabelledText
from nightschool.scoring.leak_search import FoundLeak, find_leaks, sample

Plant = Callable[[str, int, random.Random], tuple[str, str]]
"""From a note's text and the number of its kind to the text with a leak, and the leak."""
NAMES = ("Decision", "Knowledge", "Lesson", "None", "Value")
JAPANESE = ("決定", "知識", "教訓", "雑記", "信条")
EMOJI = ("💡", "⚖️", "📚", "🧭", "🗑️")
HEADINGS = ("## What went wrong", "## Options", "## How it works", "## Why it matters", "## Scraps")
SENTENCES = (
    "This note was made from the template for things learned the hard way.",
    "Reviewed with the team and recorded in the register of choices.",
    "Collected for later reference while reading the manual.",
    "Written down as a reminder of what we stand for.",
    "Filed here because no other drawer would take it.",
)
SIGNATURES = ("-- Ito, ops", "-- the board", "-- K. Mori", "-- yours truly", "-- scratch pad")


def _above(leak: Callable[[int], str]) -> Plant:
    return lambda text, kind, rng: (f"{leak(kind)}\n\n{text}", leak(kind))


def _below(leak: Callable[[int], str]) -> Plant:
    return lambda text, kind, rng: (f"{text}\n\n{leak(kind)}\n", leak(kind))


def _file_name(text: str, kind: int, rng: random.Random) -> tuple[str, str]:
    words = [word for word in text.split() if word.isalpha()] or ["note"]
    name = f"{NAMES[kind].lower()}_{rng.choice(words).lower()}_{rng.randrange(100):02}.md"
    return f"{name}\n\n{text}", name


def _in_prose(text: str, kind: int, rng: random.Random) -> tuple[str, str]:
    lines = text.split("\n")
    at = rng.choice([n for n, line in enumerate(lines) if line.strip()])
    lines[at] = f"{lines[at].rstrip()} {SENTENCES[kind]}"
    return "\n".join(lines), SENTENCES[kind]


def _slot(text: str, kind: int, rng: random.Random) -> tuple[str, str]:
    place = rng.choice(["Kyoto", "Bonn", "Lima", "Oslo", "Accra"])
    line = (
        f"Made in {place} on {rng.randrange(1, 29)} May with the {NAMES[kind]} template, version 2."
    )
    return f"{text}\n\n{line}", line


PLANTS: dict[str, Plant] = {
    "line `Category: Lesson`": _above(lambda kind: f"Category: {NAMES[kind]}"),
    "emoji": lambda text, kind, rng: (f"{EMOJI[kind]} {text}", EMOJI[kind]),
    "template heading": _above(HEADINGS.__getitem__),
    "link `[[MOC Lessons]]`": _below(lambda kind: f"[[MOC {NAMES[kind]}s]]"),
    "file name as first line": _file_name,
    "signature": _below(SIGNATURES.__getitem__),
    "sentence in a paragraph": _in_prose,
    "sentence with a varying part": _slot,
    "marker 【教訓】": lambda text, kind, rng: (
        f"【{JAPANESE[kind]}】{text}",
        f"【{JAPANESE[kind]}】",
    ),
    "HTML comment": _below(lambda kind: f"<!-- tpl: {NAMES[kind].lower()} v3 -->"),
    "tag in a code block": _below(lambda kind: f"```\n#{NAMES[kind].lower()}\n```"),
}
"""What is planted, by its name in the table."""


def planted(
    notes: list[LabelledText],
    plant: Plant,
    share: float,
    others: float,
    kinds: list[str],
    seed: int,
) -> tuple[list[LabelledText], dict[int, str]]:
    """The notes with leaks of some `kinds`, and what was planted in each note of its own kind."""
    rng = random.Random(seed)
    every = sorted({note.kind for note in notes})
    of = {kind: [n for n, note in enumerate(notes) if note.kind == kind] for kind in every}
    chosen = {n for kind in kinds for n in rng.sample(of[kind], round(share * len(of[kind])))}
    rest = [n for n in range(len(notes)) if n not in chosen]
    wrong = set(rng.sample(rest, min(len(rest), round(others * len(notes)))))
    made, leaks = list(notes), {}
    for number, note in enumerate(notes):
        if number in chosen:
            text, leaks[number] = plant(note.text, every.index(note.kind), rng)
            made[number] = note._replace(text=text)
        elif number in wrong and (foreign := [kind for kind in kinds if kind != note.kind]):
            text, _ = plant(note.text, every.index(rng.choice(foreign)), rng)
            made[number] = note._replace(text=text)
    return made, leaks


def overlaps(found: FoundLeak, notes: list[LabelledText], leaks: dict[int, str]) -> bool:
    """Whether most places of a finding lie in what was planted."""
    hits = [
        any(
            begin < start + len(leaks[n]) and start < end
            for begin, end in spans
            for start in [notes[n].text.find(leaks[n])]
        )
        for n, spans in found.places.items()
        if n in leaks and notes[n].kind == found.kind
    ]
    return bool(hits) and sum(hits) > len(hits) / 2


def trials(notes: list[LabelledText], given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    every = sorted({note.kind for note in notes})
    for form, plant in PLANTS.items():
        for size in given.sizes:
            for scope in ("one kind", "all kinds"):
                for share in given.shares:
                    for others in (0.0, 0.05):
                        found = right = findings = wanted = 0
                        accuracy: list[tuple[float, float]] = []
                        for seed in range(given.draws):
                            rng = random.Random(f"{form}{size}{seed}")
                            some = rng.sample(notes, min(size, len(notes)))
                            large = [k for k in every if sum(n.kind == k for n in some) >= 8]
                            kinds = [rng.choice(large)] if scope == "one kind" else large
                            made, leaks = planted(some, plant, share, others, kinds, seed)
                            got = search(made)
                            hits = [each for each in got if overlaps(each, made, leaks)]
                            found += len({each.kind for each in hits} & set(kinds))
                            wanted += len(kinds)
                            right += len(hits)
                            findings += len(got)
                            if (
                                given.accuracy
                                and not seed
                                and not others
                                and share == given.shares[0]
                            ):
                                accuracy += drop(made, got)
                        yield {
                            "figure": "planted", "form": form, "notes": min(size, len(notes)),
                            "scope": scope, "share": share, "others": others, "planted": wanted,
                            "found": found, "findings": findings, "right": right,
                            "accuracy": accuracy,
                        }  # fmt: skip


def search(notes: list[LabelledText]) -> list[FoundLeak]:
    """The leaks that a user would see: words only if word counts need them."""
    return without_topics(notes, find_leaks(notes, {}))


def drop(notes: list[LabelledText], found: list[FoundLeak]) -> list[tuple[float, float]]:
    measured = leak_accuracy(notes, found)
    return [(measured.with_leaks, measured.without_leaks)] if measured else []


def clean(name: str, notes: list[LabelledText], size: int, draws: int) -> dict[str, Any]:
    alarms, seconds = [], []
    for seed in range(draws):
        some = random.Random(seed).sample(notes, min(size, len(notes)))
        begun = time.process_time()
        alarms += [f"{each.kind}: {each.candidate.text}" for each in search(some)]
        seconds.append(time.process_time() - begun)
    return {
        "figure": "clean", "notes of": name, "notes": min(size, len(notes)), "draws": draws,
        "alarms": alarms, "seconds": round(min(seconds), 2),
    }  # fmt: skip


def clinc(folder: Path, intents: int) -> list[LabelledText]:
    found = json.loads((folder / "data_small.json").read_text("utf-8"))
    rows = [row for split in ("train", "val", "test") for row in found[split]]
    kinds = sorted({kind for _, kind in rows})[:intents]
    texts = [(text, kind) for text, kind in rows if kind in kinds]
    texts = [texts[n] for n in sample([kind for _, kind in texts])]
    return [LabelledText(text, kind, number) for number, (text, kind) in enumerate(texts)]


def read(folder: Path) -> list[LabelledText]:
    notes = read_notes(folder).notes
    return [LabelledText(note.text, str(note.kind), n) for n, note in enumerate(notes) if note.kind]


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The planted leaks by form and by size and share, as a Markdown table of percents found."""
    planted = [row for row in rows if row["figure"] == "planted"]
    columns = sorted({(row["notes"], row["share"]) for row in planted}, key=lambda c: (c[0], -c[1]))
    yield "| planted | " + " | ".join(f"{n}, {share:.0%}" for n, share in columns) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for form in PLANTS:
        cells = []
        for notes, share in columns:
            own = [
                r for r in planted if (r["form"], r["notes"], r["share"]) == (form, notes, share)
            ]
            wanted = sum(row["planted"] for row in own)
            cells.append(f"{100 * sum(row['found'] for row in own) / wanted:.0f}" if wanted else "")
        yield f"| {form} | {' | '.join(cells)} |"
    for row in planted:
        for scored in row["accuracy"]:
            most, least = (f"{100 * share:.0f} %" for share in scored)
            notes = f"{row['form']}, {row['notes']} notes, {row['scope']}"
            yield f"{notes}: word counts {most}, without the leaks {least}"
    findings, right = (sum(row[key] for row in planted) for key in ("findings", "right"))
    found, wanted = (sum(row[key] for row in planted) for key in ("found", "planted"))
    yield f"{found} of {wanted} leaks found; {right} of {findings} findings name what was planted"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--clinc", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[60, 240, 600])
    parser.add_argument("--shares", type=float, nargs="+", default=[1.0, 0.8, 0.5])
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--samples", type=int, default=20, help="without planted leaks")
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each figure")
    given = parser.parse_args()
    notes = read(given.notes)
    sets = [("--notes", notes), ("demo", read(Path("nightschool/demo/notes")))]
    if given.clinc:
        sets += [(f"CLINC150, {n} intents", clinc(given.clinc, n)) for n in (10, 150)]
    rows = [
        clean(name, own, size, 1 if size >= len(own) else given.samples)
        for name, own in sets
        for size in sorted({min(size, len(own)) for size in (*given.sizes, len(own))})
    ]
    for row in rows:
        print(json.dumps(row, ensure_ascii=False), flush=True)
    for row in trials(notes, given):
        rows.append(row)
        if given.json:
            print(json.dumps(row, ensure_ascii=False), flush=True)
        elif sys.stderr.isatty():
            print(".", end="", file=sys.stderr, flush=True)
    print("\n".join(table(rows)))


if __name__ == "__main__":
    main()
