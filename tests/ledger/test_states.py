"""The state diagrams of docs/ledger.md against what random requests do."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nightschool.config.errors import RequestError
from nightschool.ledger.failures import MAX_FAILURES
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.outcomes import Outcome, Reason
from nightschool.ledger.records import STAGES, Claim, StageName, Timing

PAGE = Path(__file__).parents[2] / "docs/ledger.md"
NONE = "[*]"
LOSE = "interrupt: lost"
RARE = (
    ("retry", *("claim", LOSE) * MAX_FAILURES),
    ("retry", *("claim", "finish") * len(STAGES[:-1]), "claim", "cancel", "finish", "retry"),
)
"""Seldom comes about at random: a stage fails after its last loss; it is done after the run is cancelled."""
Edges = set[tuple[str, str, str]]
"""(before, method, after)"""


def documented(title: str) -> Edges:
    section = PAGE.read_text("utf-8").split(f"### {title}\n")[1].split("```")[1]
    return {
        (before, method.strip(), after)
        for before, after, methods in re.findall(r"(\S+) --> (\S+): (.+)", section)
        for method in methods.split(",")
    }


class RandomRequests:
    """Calls random methods on one run, and notes how each changes the states."""

    def __init__(self, ledger: Ledger, seed: int) -> None:
        self.ledger = ledger
        self.random = random.Random(seed)
        self.run = ledger.add_run({}, self.goal(), Timing.NOW).id
        for _ in range(self.random.randrange(len(STAGES))):
            if claim := ledger.claim(self.run, "worker"):
                ledger.finish(claim, {})
        self.claims: list[Claim] = []
        self.edges: tuple[Edges, Edges, Edges] = (set(), set(), set())
        self.methods: dict[str, Callable[[], object]] = {
            "claim": self.claim,
            "interrupt": lambda: ledger.interrupt(self.any_claim(), self.outcome(), ""),
            LOSE: lambda: ledger.interrupt(self.any_claim(), Outcome.LOST, ""),
            "finish": lambda: ledger.finish(self.any_claim(), {}, promote=True),
            "fail": lambda: ledger.fail(self.any_claim(), ""),
            "take_over": ledger.take_over,
            "raise_goal": lambda: ledger.raise_goal(self.run, self.goal(), Timing.NOW),
            "cancel": lambda: ledger.cancel(self.run),
            "retry": lambda: ledger.retry(self.run),
        }
        # Some seeds mostly finish, some mostly interrupt, ...
        self.weights = [1.0, *(self.random.random() ** 3 for _ in range(len(self.methods) - 1))]

    def claim(self) -> None:
        if claim := self.ledger.claim(self.run, "worker"):
            self.claims.append(claim)

    def any_claim(self) -> Claim:
        return self.claims[-1] if self.random.random() < 0.8 else self.random.choice(self.claims)

    def goal(self) -> StageName:
        return self.random.choice(STAGES)

    def outcome(self) -> Outcome | Reason:
        other = [o for o in Outcome if o not in (Outcome.FINISHED, Outcome.FAILED)]
        return self.random.choice([Reason.PAUSED, *other])

    def at_random(self) -> str:
        return self.random.choices(list(self.methods), self.weights)[0]

    def do(self, name: str) -> None:
        before = self.states()
        try:
            self.methods[name]()
        except (RequestError, IndexError):  # it cannot be cancelled or retried; nothing is claimed
            return
        for edges, old, new in zip(self.edges, before, self.states(), strict=True):
            edges |= {
                (old.get(key, NONE), name.split(":")[0], state)
                for key, state in new.items()
                if old.get(key, NONE) != state
            }

    def states(self) -> tuple[dict[object, str], ...]:
        attempts = self.ledger.attempts_of(self.run)
        return (
            {self.run: str(self.ledger.run(self.run).state)},
            {stage.name: str(stage.state) for stage in self.ledger.stages(self.run)},
            {number: state_of(attempt.outcome) for number, attempt in enumerate(attempts)},
        )


def state_of(outcome: Outcome | Reason | None) -> str:
    return (
        "leased" if outcome is None else "reason" if isinstance(outcome, Reason) else str(outcome)
    )


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Edges, Edges, Edges]:
    new = ("add_run", "queue_retraining")  # their states are asserted in test_runs.py
    seen: tuple[Edges, Edges, Edges] = (
        {(NONE, name, "queued") for name in new}, {(NONE, name, "waiting") for name in new}, set(),
    )  # fmt: skip
    file = tmp_path_factory.mktemp("random") / "ledger.db"
    with Ledger(file, durable=False) as ledger:
        for seed in range(100):
            requests = RandomRequests(ledger, seed)
            for _ in range(20):
                requests.do(requests.at_random())
            for name in RARE[seed % len(RARE)]:
                requests.do(name)
            for edges, more in zip(seen, requests.edges, strict=True):
                edges |= more
    return seen


@pytest.mark.parametrize(("place", "title"), [(0, "Runs"), (1, "Stages"), (2, "Attempts")])
def test_random_requests_change_states_as_the_diagrams_show(
    seen: tuple[Edges, Edges, Edges], place: int, title: str
) -> None:
    assert seen[place] == documented(title)


def test_the_page_names_every_table(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        tables = {
            row["name"]
            for row in ledger._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if not row["name"].startswith("sqlite_")
        }
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)) == tables
