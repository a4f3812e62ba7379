"""The server arm: asks a general-purpose model about each test note, and keeps what it says."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nightschool.config.errors import Stopped
from nightschool.notes.dataset import Item
from nightschool.notes.prompts import instruct_prompt
from nightschool.scoring.answer_parsing import kind_in
from nightschool.scoring.server_client import Server, ServerError

if TYPE_CHECKING:
    from nightschool.config.settings import Settings
    from nightschool.stages.context import StageContext

# So many notes in a row without an answer, and the rest is not asked: it would take hours.
_PATIENCE = 5
_KEPT_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Said:
    """What came of one note. `kind` is "" where nothing came that names one."""

    id: str
    kind: str
    outcome: Literal["kind", "nonsense", "timeout", "error"]
    reply: str
    """The beginning of what was answered, or what went wrong."""
    seconds: float


def ask_server(
    context: StageContext, kinds: Sequence[str], test: Sequence[Item]
) -> tuple[list[str], str]:
    """The server's kind for each test note ("" for none), and in words how that went.

    Each answer is kept as it comes, and no note is asked twice. Raises Stopped between two notes.
    """
    settings = context.settings.server
    key = os.environ.get(settings.api_key_env, "").strip() if settings.api_key_env else ""
    if settings.api_key_env and not key:
        context.parent.say("warning", f"{settings.api_key_env} (server.api_key_env) is not set")
    server = Server(settings, key)
    file = context.folder / "server.jsonl"
    known = {said.id: said for said in _read(file)}
    in_a_row = 0
    for done, item in enumerate(test):
        context.parent.progress(done, len(test), None, _left_s(known, len(test)))
        if item.id in known:
            continue
        if context.parent.should_stop():
            raise Stopped
        if in_a_row == _PATIENCE:
            break
        said = _ask(server, context.settings, kinds, item)
        _append(file, said)
        known[item.id] = said
        in_a_row = in_a_row + 1 if said.outcome in ("timeout", "error") else 0
    found = [known.get(item.id) for item in test]
    note = _in_words(settings.model, settings.url, found)
    if any(said is None or said.outcome in ("timeout", "error") for said in found):
        context.parent.say("warning", f"server: {note}")
    return [said.kind if said else "" for said in found], note


def _ask(server: Server, settings: Settings, kinds: Sequence[str], item: Item) -> Said:
    prompt = instruct_prompt(
        settings.prompt.instructions, {kind: kind for kind in kinds}, settings.kinds
    )
    messages = [
        {"role": "system", "content": prompt.system},
        {"role": "user", "content": prompt.before + item.text.strip() + prompt.after},
    ]
    began = time.monotonic()
    try:
        reply = server.ask(messages)
    except ServerError as error:
        return Said(item.id, "", error.trouble, str(error), _since(began))
    kind = kind_in(reply, kinds)
    kept = reply.strip()[:_KEPT_CHARACTERS]
    return Said(item.id, kind or "", "kind" if kind else "nonsense", kept, _since(began))


def _in_words(model: str, url: str, found: Sequence[Said | None]) -> str:
    """Of how many notes came a kind, and what came of the others."""
    outcomes = Counter(said.outcome if said else "not asked" for said in found)
    told = f"{model} at {url}: a kind for {outcomes['kind']} of {len(found)} test notes"
    names = {
        "nonsense": "nonsense", "timeout": "without an answer in time", "error": "with an error",
        "not asked": f"not asked after {_PATIENCE} failures in a row",
    }  # fmt: skip
    wrong = [f"{outcomes[key]} {name}" for key, name in names.items() if outcomes[key]]
    if not wrong:
        return told
    errors = Counter(said.reply for said in found if said and said.outcome == "error")
    why = f" (most often: {errors.most_common(1)[0][0]})" if errors else ""
    return f"{told}; counted as wrong: {', '.join(wrong)}{why}"


def _left_s(known: dict[str, Said], total: int) -> float | None:
    if not known:
        return None
    mean = sum(said.seconds for said in known.values()) / len(known)
    return mean * (total - len(known))


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def _read(file: Path) -> list[Said]:
    """What was kept; a last line that a crash tore apart is asked again."""
    if not file.exists():
        return []
    found = []
    for line in file.read_text("utf-8", errors="replace").split("\n"):
        try:
            found.append(Said(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def _append(file: Path, said: Said) -> None:
    # A line of its own, also behind one that was torn apart.
    with file.open("a", encoding="utf-8", newline="\n") as stream:
        stream.write("\n" * (stream.tell() > 0) + json.dumps(asdict(said), ensure_ascii=False))
        stream.flush()
        os.fsync(stream.fileno())
