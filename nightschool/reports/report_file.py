"""Reading a report back, also one that an earlier version wrote."""

import json
import math
from pathlib import Path
from typing import Any, cast

from nightschool.config.errors import ReportError
from nightschool.stats.results import FORMAT, Report


def read(file: Path) -> Report:
    """The report in a report.json; what an earlier version did not measure is None, empty or 0.

    Raises ReportError where the file is damaged, or a newer version wrote it.
    """
    try:
        report: dict[str, Any] = json.loads(file.read_text("utf-8"))
        written = report.get("format", 1)
        if written > FORMAT:
            raise ReportError(
                f"{file} was written by a newer nightschool (report {written}): update nightschool"
            )
        found = report if written == FORMAT else _from_first(report)
        found.setdefault("night", [])  # earlier ones told it by the timeline alone
        if missing := sorted(Report.__annotations__.keys() - found.keys()):
            raise ReportError(
                f"{file} lacks {', '.join(missing)}: another version made it; `nightschool run --new` "
                "makes one that this version can show"
            )
        return cast(Report, _filled_in(found))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportError(
            f"{file} is damaged ({type(error).__name__}: {error}): restore it, or make another with "
            "`nightschool run --new`"
        ) from None


def _from_first(report: dict[str, Any]) -> dict[str, Any]:
    """A report of the first contract, brought to this one."""
    for arm in report["arms"]:
        arm |= {"macro_f1_ci": [], "after_better": None}
        for scores in arm["per_kind"].values():
            scores["recall_ci"] = []
    arms = {arm["name"]: arm for arm in report["arms"]}
    after = arms["after"]
    words = arms.get("tfidf-lr")
    wins, losses = report["paired"]["wins"], report["paired"]["losses"]
    report["paired"] |= {
        "p_better": 1 - _at_least(wins, wins + losses),
        "p_worse": 1 - _at_least(losses, wins + losses),
        "design_effect": 1.0,
        "delta_macro_f1": after["macro_f1"] - arms["before"]["macro_f1"],
        "delta_macro_f1_ci": [],
    }
    report["dataset"]["groups"] = report["items"]
    for change in report["changes"]:
        change |= {"before_probability": None, "after_probability": None}
    return {
        **report,
        "format": FORMAT,
        "arm_notes": {},
        "checks": [],
        "more_notes": None,
        "rivals": ["tfidf-lr"] if words and words["accuracy"] >= after["accuracy"] else [],
        "champion": None,
        "calibration": {},
        "risk_coverage": {},
        "out_of_scope": {},
        "abstention": None,
        "looks": {"looks": 0, "models": 0, "optimism": 0.0, "by": []},
        "seeds": [],
        "answers": [],
    }


def _filled_in(report: dict[str, Any]) -> dict[str, Any]:
    """With what reports of this contract did not tell at first."""
    report["dataset"].setdefault("made", 0)
    if abstention := report["abstention"]:
        with_ = abstention["thresholded"]
        abstention.setdefault("coverage", with_["answered"])
        abstention.setdefault("risk", None if with_["right"] is None else 1 - with_["right"])
    return report


def _at_least(hits: int, of: int) -> float:
    """How often so many coins of all show heads, or more: the exact one-sided McNemar test."""
    ways: int = sum(math.comb(of, k) for k in range(hits, of + 1))
    return ways / float(2**of)
