"""Stand-ins for systemctl, loginctl, launchctl and schtasks: executables that record their calls.

Each keeps the little state that the real one has (what is enabled, loaded, running) as files.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

# A folder name with every awkward character.
AWKWARD = "my 学校 100% %h \"q\" 'a' ${HOME} `id` \\\\ &<x>\u3000#"

_HEAD = """\
import json, pathlib, sys
here = pathlib.Path({folder!r})
words = sys.argv[1:]
with open(here / "calls", "a", encoding="utf-8") as calls:
    calls.write(json.dumps([{tool!r}, *words]) + "\\n")
def has(state): return (here / state).exists()
def put(state): (here / state).touch()
def drop(state): (here / state).unlink(missing_ok=True)
def fail(text, code=1): print(text, file=sys.stderr); sys.exit(code)
if has("broken-{tool}"): fail((here / "broken-{tool}").read_text())
"""

_TOOLS = {
    "systemctl": """
verb, name = words[1], words[-1]
if verb == "show": print("Version=252.1")
elif verb == "enable": put("enabled-" + name)
elif verb in ("start", "restart"): put("active-" + name)
elif verb == "disable": drop("enabled-" + name); drop("active-" + name)
elif verb == "is-active":
    active = has("active-" + name)
    print("active" if active else "inactive"); sys.exit(0 if active else 3)
""",
    "loginctl": 'print("Linger=yes" if has("lingering") else "Linger=no")',
    "launchctl": """
verb, name = words[0], words[-1].rpartition("/")[2].removesuffix(".plist")
if verb == "bootstrap":
    if has("loaded-" + name): fail("Bootstrap failed: 5: Input/output error", 5)
    put("loaded-" + name)
elif verb == "bootout": drop("loaded-" + name)
elif verb == "print":
    if not has("loaded-" + name): fail("Could not find service", 113)
    print("\\tstate = running\\n\\tpid = 42")
""",
    "schtasks": """
verb, name = words[0], words[2]
if verb == "/Create": put("task-" + name)
elif verb == "/Run": put("runs-" + name)
elif verb == "/End": drop("runs-" + name)
elif verb == "/Delete": drop("task-" + name)
elif verb == "/Query":
    if not has("task-" + name): fail("ERROR")
    result = "267009" if has("runs-" + name) else "0"
    print(f'"PC","\\\\\\\\{name}","N/A","実行中","Interactive","N/A","{result}","me"')
""",
}


class FakeTools:
    def __init__(self, folder: Path, path: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        for tool, code in _TOOLS.items():
            script = folder / tool
            head = _HEAD.format(folder=str(folder), tool=tool)
            script.write_text(f"#!{sys.executable}\n{head}{code}", encoding="utf-8")
            script.chmod(0o755)
        path.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def calls(self, tool: str) -> list[list[str]]:
        """The arguments of each call of `tool` since the last request."""
        file = self.folder / "calls"
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [words[1:] for words in map(json.loads, lines) if words[0] == tool]

    def has(self, state: str) -> bool:
        return (self.folder / state).exists()

    def put(self, state: str) -> None:
        (self.folder / state).touch()

    def break_(self, tool: str, message: str) -> None:
        (self.folder / f"broken-{tool}").write_text(message, encoding="utf-8")
