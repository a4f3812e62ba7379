"""Reads a report.json back, including one that an earlier version wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from nightschool.config import bounded_json
from nightschool.config.errors import ReportError
from nightschool.stats.results import FORMAT, Report

_ANOTHER_REPORT = "`nightschool run --new` makes a new one"


def read(file: Path) -> Report:
    """The report in a report.json. What an earlier version did not measure is None, empty or 0.

    Raises ReportError if the file is damaged or a newer version wrote it.
    """
    try:
        data: dict[str, Any] = bounded_json.read(file)
        written = data.get("format", 1)
        if written > FORMAT:
            raise ReportError(
                f"{file} comes from a newer nightschool (report format {written})",
                "update nightschool",
            )
        return parse(_completed(data if written == FORMAT else _upgraded(data)))
    except ValidationError as error:
        raise _invalid(file, error) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(file, f"{type(error).__name__}: {error}") from None


def parse(data: Mapping[str, Any]) -> Report:
    """A report from its JSON in the current format. Raises pydantic.ValidationError."""
    return _reader().validate_python(data)


@cache
def _reader() -> TypeAdapter[Report]:
    return TypeAdapter(Report)


def _invalid(file: Path, error: ValidationError) -> ReportError:
    errors = error.errors(include_url=False, include_input=False)
    missing = sorted(
        str(problem["loc"][0])
        for problem in errors
        if problem["type"] == "missing" and len(problem["loc"]) == 1
    )
    if missing:
        return ReportError(
            f"{file} lacks {', '.join(missing)}: another version made it", _ANOTHER_REPORT
        )
    return _damaged(file, f"{'.'.join(map(str, errors[0]['loc']))}: {errors[0]['msg']}")


def _damaged(file: Path, detail: str) -> ReportError:
    return ReportError(f"{file} is damaged ({detail})", f"restore the file; or {_ANOTHER_REPORT}")


def _upgraded(report: dict[str, Any]) -> dict[str, Any]:
    """A report of format 1 as format 2."""
    for arm in report["arms"]:
        arm |= {"macro_f1_ci": [], "after_better": None}
        for scores in arm["per_kind"].values():
            scores["recall_ci"] = []
    arms = {arm["name"]: arm for arm in report["arms"]}
    after = arms["after"]
    word_counts = arms.get("tfidf-lr")
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
        "rivals": ["tfidf-lr"]
        if word_counts and word_counts["accuracy"] >= after["accuracy"]
        else [],
        "champion": None,
        "calibration": {},
        "risk_coverage": {},
        "out_of_scope": {},
        "abstention": None,
        "looks": {"looks": 0, "models": 0, "optimism": 0.0, "by": []},
        "seeds": [],
        "answers": [],
    }


def _completed(report: dict[str, Any]) -> dict[str, Any]:
    """A report of format 2 with the fields that early reports of this format lack."""
    report.setdefault("night", [])
    if "dataset" not in report or "abstention" not in report:
        return report  # validation names what is missing
    report["dataset"].setdefault("made", 0)
    if abstention := report["abstention"]:
        sorted_ = abstention["thresholded"]
        abstention.setdefault("coverage", sorted_["answered"])
        abstention.setdefault("risk", None if sorted_["right"] is None else 1 - sorted_["right"])
    return report


def _at_least(hits: int, of: int) -> float:
    """The probability of at least `hits` heads in `of` tosses: the exact one-sided McNemar test."""
    ways: int = sum(math.comb(of, k) for k in range(hits, of + 1))
    return ways / float(2**of)
