"""Only config/files.py writes: nothing else in the package creates, replaces or removes files."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "nightschool"
WRITING = {
    "write_text", "write_bytes", "mkdir", "makedirs", "unlink", "rmdir", "rmtree", "touch", "rename",
    "symlink_to", "hardlink_to", "symlink", "link", "mkstemp", "mkdtemp", "TemporaryDirectory",
    "NamedTemporaryFile", "copy", "copy2", "copyfile", "copytree", "move", "save_file", "save_pretrained",
    "chmod", "mkfifo", "truncate", "ftruncate",
}  # fmt: skip
FILE_MODULES = {"os", "shutil", "tempfile", "pathlib", "Path"}
AMBIGUOUS = {"copy", "move", "link", "rename", "touch", "truncate"}
"""Other objects have methods of these names: they count only as functions of os and shutil."""
ALLOWED = {
    "config/permissions.py: chmod": "the other half of config/files.py",
    "config/folder_walk.py: rmtree": "for config/files.py",
    "config/folder_walk.py: rmdir": "for config/files.py",
    "config/folder_walk.py: unlink": "for config/files.py",
    "ledger/read_only.py: TemporaryDirectory": "a copy in the system's folder, to read what cannot be written",
    "ledger/read_only.py: copyfile": "a copy in the system's folder, to read what cannot be written",
    "ledger/school_lock.py: mkdir": "a folder that only one process can make is a lock",
    "learning/checkpoints.py: save_file": "into a folder of files.new_folder",
    "learning/quantised.py: save_pretrained": "into a folder of files.new_folder",
    "learning/fast/packed_engine.py: save_pretrained": "into a folder of files.new_folder",
    "stages/publish.py: copytree": "into a folder of files.new_folder",
    "demo/tour.py: copytree": "the demo's notes",
    "cli/demo.py: mkdtemp": "the demo's school",
    "cli/init.py: mkdir": "the school's folder, which is the user's",
    "cli/main.py: open": "/dev/null",
    "tasks/process.py: open": "/dev/null",
    "jobs/service/installation.py: unlink": "a service's file, outside the school",
    "jobs/service/systemd.py: unlink": "a link of systemd, outside the school",
}


def test_nothing_else_writes() -> None:
    found = set()
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        if name == "config/files.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (called := _writing_call(node)):
                found.add(f"{name}: {called}")
    assert found - set(ALLOWED) == set(), "use config/files.py"
    assert set(ALLOWED) - found == set(), "no longer needed"


def _writing_call(node: ast.Call) -> str:
    """The name of the function that is called, if it changes files."""
    function = node.func
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    owner = function.value if isinstance(function, ast.Attribute) else None
    module = owner.id if isinstance(owner, ast.Name) else ""
    if name == "open" and module not in ("webbrowser", "Image"):
        modes = [*node.args, *(key.value for key in node.keywords if key.arg == "mode")]
        texts = [mode.value for mode in modes if isinstance(mode, ast.Constant)]
        unknown = any(key.arg == "mode" for key in node.keywords) and not texts
        variable = len(node.args) > 1 and isinstance(node.args[1], ast.Name)
        writes = any(isinstance(text, str) and set(text) & set("wax+") for text in texts)
        return name if unknown or variable or writes else ""
    if name == "replace" and module == "os":
        return name
    if name in AMBIGUOUS and module not in FILE_MODULES:
        return ""
    return name if name in WRITING else ""
