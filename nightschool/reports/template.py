"""Fills the templates of the pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from nightschool.reports.charts.palette import DARK, LIGHT
from nightschool.reports.text import wording


def fill(template: str, filters: dict[str, Callable[..., str]], **values: Any) -> str:
    """A template's HTML. Every text is escaped; a missing value is an error."""
    environment = Environment(
        loader=PackageLoader("nightschool.reports", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=wording.percent,
        score_interval=wording.score_interval,
        # Jinja's own "capitalize" turns all other letters to lower case, also in names.
        sentence=lambda text: text[:1].upper() + text[1:],
        # Keeps a number and its sign on one line.
        unbroken=lambda text: re.sub(" (?=%)|(?<=[<=]) | (?=[<=])", "\N{NO-BREAK SPACE}", text),
        **filters,
    )
    environment.globals["counted"] = wording.counted
    return environment.get_template(template).render(
        light=asdict(LIGHT), dark=asdict(DARK), **values
    )
