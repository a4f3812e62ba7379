"""The prompt around a note, as text; the same for the base model, the adapter and `classify`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prompt:
    """The text around a note: `system` comes once, the rest around each note, also around examples."""

    system: str
    before: str
    after: str


def instruct_prompt(
    instructions: str, answers: Mapping[str, str], meanings: Mapping[str, str]
) -> Prompt:
    """The prompt for models that follow instructions; it lists the kinds, with their meanings if given.

    `answers` maps each kind to the word that the model answers with.
    """
    lines = []
    for kind, answer in answers.items():
        name = answer if answer == kind else f"{answer} = {kind}"
        meaning = meanings.get(kind)
        lines.append(f"- {name}: {meaning}" if meaning else f"- {name}")
    return Prompt(
        system=instructions + "\nKinds:\n" + "\n".join(lines), before="Note:\n", after="\n\nKind:"
    )


def plain_prompt(answers: Mapping[str, str]) -> Prompt:
    """The prompt for base models, which continue text and follow no instructions: as short as possible."""
    codes = "".join(f"{answer} = {kind}\n" for kind, answer in answers.items() if answer != kind)
    return Prompt(system=codes, before="Note:\n", after="\n\nKind:")
