"""What the model is asked about a note, as text. The same prompt serves before, after and later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prompt:
    """The text around a note: `system` is said once, the rest around each note (examples too)."""

    system: str
    before: str
    after: str


def instruct_prompt(
    instructions: str, answers: Mapping[str, str], meanings: Mapping[str, str]
) -> Prompt:
    """For models that follow instructions: the kinds are listed, with their meanings where given.

    `answers` maps each kind to the word that the model shall answer with.
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
    """For base models, which continue text and follow no instructions: as short as can be."""
    codes = "".join(f"{answer} = {kind}\n" for kind, answer in answers.items() if answer != kind)
    return Prompt(system=codes, before="Note:\n", after="\n\nKind:")
