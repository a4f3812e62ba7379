"""How often the decision promotes a model that is no better, and how often one that is.

    python benchmarks/gate_simulation.py [--runs 2000] [--processes 2]

Needs neither a GPU nor a model; takes some minutes on two cores. The answers of two models to the same
test notes are drawn many times and judged by three gates: more notes right than before; the exact McNemar
test alone (more right, and two-sided p < 0.05, as if notes were independent); and the decision of
`nightschool` with its default rules, by group, with all its checks. Another table tries ten equally good
models on the same notes, and the last one counts how often the report's 95 % intervals cover the true
value. Prints Markdown tables; the seeds are fixed.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from nightschool.scoring.decision import Questions, Rules, judge
from nightschool.stats.intervals import codes_of
from nightschool.stats.macro_f1 import f1_counts, macro_f1
from nightschool.stats.metrics import scores
from nightschool.stats.paired import differences, mcnemar, paired, sign_flip
from nightschool.stats.terms import ArmName, Reference

KINDS = ("decision", "knowledge", "lesson", "value", "none")
SHARES = np.array([0.2, 0.3, 0.2, 0.1, 0.2])
SIZES = (60, 120, 240)
GATES = ("after > before", "McNemar alone", "nightschool")
INTERVALS = ("accuracy", "macro-F1", "change of accuracy", "change of macro-F1")


@dataclass(frozen=True)
class World:
    """How two models answer: the shares of notes that are fixed, broken, and right both times."""

    name: str
    fixed: float
    broken: float
    both: float = 0.4
    groups: str = "single"
    """The distribution of group sizes; see `_SIZE`."""
    together: float = 0.0
    """The probability that a note has its group's outcome instead of its own."""
    trade: bool = False
    """Whether all fixed notes are of one half of the kinds, and all broken notes of the other."""
    skewed: bool = False
    """Whether whole groups are fixed but single notes broken."""
    mixed: bool = False
    """Whether a group has notes of all kinds, as a source has, and not of one, as near-duplicates have."""


# Uneven: 3 on average, many of 1, some of 10 and more.
_SIZE: dict[str, Callable[[np.random.Generator], int]] = {
    "single": lambda random: 1,
    "threes": lambda random: 3,
    "uneven": lambda random: int(random.geometric(1 / 3)),
    "fifteens": lambda random: 15,
}

EQUAL = (
    World("1 note in 10 differs", 0.05, 0.05, 0.6),
    World("3 in 10 differ", 0.15, 0.15, 0.45),
    World("6 in 10 differ", 0.3, 0.3, 0.2),
    World("nearly all right, 1 in 10 differs", 0.05, 0.05, 0.85),
    World("groups of 3 fare alike", 0.15, 0.15, 0.45, "threes", 1.0),
    World("uneven groups, mean 3, fare alike", 0.15, 0.15, 0.45, "uneven", 1.0),
    World("uneven groups, 7 in 10 fare alike", 0.15, 0.15, 0.45, "uneven", 0.7),
    World(
        "groups are fixed whole, notes broken singly", 0.15, 0.15, 0.45, "uneven", 1.0, skewed=True
    ),
    World("some kinds gain what others lose", 0.15, 0.15, 0.45, trade=True),
    World("sources of 15 notes, 7 in 10 fare alike", 0.15, 0.15, 0.45, "fifteens", 0.7, mixed=True),
)
BETTER = (
    World("+10 points, 1 in 20 broken", 0.15, 0.05, 0.5),
    World("+10 points, 1 in 10 broken", 0.2, 0.1, 0.45),
    World("+10 points, 1 in 10 broken, uneven groups", 0.2, 0.1, 0.45, "uneven", 0.7),
    World("+20 points, 1 in 20 broken", 0.25, 0.05, 0.45),
    World("+20 points, 1 in 10 broken", 0.3, 0.1, 0.4),
    World("+20 points, 1 in 10 broken, uneven groups", 0.3, 0.1, 0.4, "uneven", 0.7),
)
FEW = (
    World("+10 points, 1 in 10 broken, sources of 15", 0.2, 0.1, 0.45, "fifteens", 0.7, mixed=True),
    World(
        "+10 points, 9 in 10 right, sources of 15", 0.15, 0.05, 0.75, "fifteens", 0.7, mixed=True
    ),
)
WORSE = (World("5 points worse, 1 in 5 differs", 0.075, 0.125, 0.5),)


def draw(
    world: World, notes: int, random: np.random.Generator, models: int = 1
) -> tuple[Questions, list[str], list[list[str]]]:
    """Test notes, the answers before, and those of `models` models after."""
    groups: list[str] = []
    while len(groups) < notes:
        groups += [str(len(groups))] * _SIZE[world.groups](random)
    groups = groups[:notes]
    codes = codes_of(groups)
    if world.mixed:
        kinds = random.choice(len(KINDS), notes, p=SHARES)
    else:
        kinds = random.choice(len(KINDS), int(codes.max()) + 1, p=SHARES)[codes]
    right = world.both + world.broken
    before = _fares(world, codes, random) < right
    after = []
    for _ in range(models):
        luck = _fares(world, codes, random)
        lost = np.full(notes, world.broken / right)
        won = np.full(notes, world.fixed / (1 - right))
        if world.trade:
            half = np.isin(kinds, (0, 1))
            lost, won = np.where(half, 0, 2 * lost), np.where(half, 2 * won, 0)
        if world.skewed:
            luck = np.where(before, random.random(notes), luck)
        after.append(np.where(before, luck >= lost, luck < won))
    test = Questions(KINDS, [KINDS[kind] for kind in kinds], groups, "none")
    wrong = (kinds + random.integers(1, len(KINDS), notes)) % len(KINDS)
    answers = [
        [KINDS[k if r else w] for k, r, w in zip(kinds, hits, wrong, strict=True)]
        for hits in (before, *after)
    ]
    return test, answers[0], answers[1:]


def _fares(world: World, codes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A random number from 0 to 1 for each note, its group's or its own."""
    alike = random.random(len(codes)) < world.together
    return np.where(alike, random.random(int(codes.max()) + 1)[codes], random.random(len(codes)))


def promotes(test: Questions, before: list[str], after: list[str]) -> tuple[bool, bool, bool]:
    """Whether each of GATES promotes one model."""
    difference = differences(test.true, before, after)
    more = int(difference.sum()) > 0
    p = mcnemar(int((difference > 0).sum()), int((difference < 0).sum()))
    # All checks must pass, so a failed one ends the judgement early.
    rules = Rules()
    hopeful = 1 - sign_flip(difference, test.codes) >= rules.confidence
    ours = hopeful and judge(Reference.BEFORE, test, before, after, rules).decision == "promote"
    return more, more and p < 0.05, ours


def rates(job: tuple[World, int, int, int]) -> list[float]:
    """The share of `runs` draws in which each gate promotes at least one of `models` models."""
    world, notes, runs, models = job
    random = np.random.default_rng([notes, models, *world.name.encode()])
    promoted = np.zeros(len(GATES))
    for _ in range(runs):
        test, before, after = draw(world, notes, random, models)
        promoted += np.any([promotes(test, before, answers) for answers in after], axis=0)
    return list(promoted / runs)


def covered(job: tuple[World, int, int]) -> list[float]:
    """The share of `runs` draws in which each of INTERVALS covers the true value."""
    world, notes, runs = job
    random = np.random.default_rng([notes, 7, *world.name.encode()])
    far = replace(world, groups="single", together=0.0)
    test, before, (after,) = draw(far, 300_000, random)
    codes = np.zeros(len(after), dtype=np.int64)
    old, new = (
        float(macro_f1(f1_counts(KINDS, test.true, answers, codes))[0])
        for answers in (before, after)
    )
    truth = (world.both + world.fixed, new, world.fixed - world.broken, new - old)
    held = np.zeros(len(truth))
    for _ in range(runs):
        test, before, (after,) = draw(world, notes, random)
        arm = scores(ArmName.AFTER, KINDS, test.true, after, test.groups)
        pair = paired(KINDS, test.true, before, after, test.groups)
        assert arm.macro_f1_ci and pair.delta_macro_f1_ci
        found = (
            arm.accuracy_ci, arm.macro_f1_ci, pair.delta_ci, pair.delta_macro_f1_ci,
        )  # fmt: skip
        held += [low <= true <= high for (low, high), true in zip(found, truth, strict=True)]
    return list(held / runs)


def coverage(worlds: tuple[World, ...], pool: ProcessPoolExecutor, runs: int) -> None:
    jobs = [(world, notes, runs) for world in worlds for notes in SIZES]
    print("\n### How often the 95 % intervals hold the truth\n")
    print("| | notes | " + " | ".join(INTERVALS) + " |\n|---|--:|" + "--:|" * len(INTERVALS))
    for (world, notes, _), found in zip(jobs, pool.map(covered, jobs), strict=True):
        cells = " | ".join(f"{100 * share:.1f} %" for share in found)
        print(f"| {world.name} | {notes} | {cells} |", flush=True)


def table(
    title: str, worlds: tuple[World, ...], pool: ProcessPoolExecutor, runs: int, models: int
) -> None:
    jobs = [(world, notes, runs, models) for world in worlds for notes in SIZES]
    found = dict(zip(((w.name, n) for w, n, _, _ in jobs), pool.map(rates, jobs), strict=True))
    print(f"\n### {title}\n")
    print("| | " + " | ".join(f"{gate}, {n}" for gate in GATES for n in SIZES) + " |")
    print("|---|" + "--:|" * (len(GATES) * len(SIZES)))
    for world in worlds:
        cells = [
            f"{100 * found[world.name, notes][gate]:.1f} %"
            for gate in range(len(GATES))
            for notes in SIZES
        ]
        print(f"| {world.name} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=2000, help="draws of each case")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    began = time.monotonic()
    error = 100 * math.sqrt(0.05 * 0.95 / given.runs)
    print(f"{given.runs} draws of each case; at 5 % the standard error is {error:.1f} points.")
    with ProcessPoolExecutor(given.processes) as pool:
        table("Equal models that are promoted", EQUAL, pool, given.runs, 1)
        table("Worse models that are promoted", WORSE, pool, given.runs, 1)
        table("Better models that are promoted", BETTER, pool, given.runs // 2, 1)
        ten = tuple(replace(EQUAL[i], name=f"{EQUAL[i].name}, ten tries") for i in (0, 1, 6))
        table("At least one of ten equal models is promoted", ten, pool, given.runs // 4, 10)
        coverage((BETTER[1], BETTER[2], BETTER[3], *FEW), pool, given.runs // 4)
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
