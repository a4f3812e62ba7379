"""Nothing in the current folder is imported or run, whichever way the program is started."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nightschool.config import current_folder
from nightschool.demo import tour
from nightschool.jobs.presence import worker_alive
from nightschool.jobs.service.worker_command import WorkerCommand
from tests.conftest import MakeSchool

ROOT = Path(__file__).parents[2]
MODULES = (
    "json", "numpy", "torch", "yaml", "queue", "logging", "typing", "dataclasses", "collections", "click",
    "__future__", "importlib", "pydantic", "venv", "pip", "sitecustomize", "usercustomize", "tests",
)  # fmt: skip
PACKAGES = ("nightschool", "nightschool/cli", "nightschool/tasks", "encodings")
PROGRAMS = (
    "nvidia-smi",
    "systemctl",
    "loginctl",
    "launchctl",
    "schtasks",
    "osascript",
    "git",
    "gcc",
)


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: it holds modules and programs that leave a file `executed` when they run."""
    vault, marker = tmp_path / "vault", tmp_path / "executed"
    line = f"open({str(marker)!r}, 'a').write(__name__ + '\\n')\n"
    for package in PACKAGES:
        (vault / package).mkdir(parents=True)
        (vault / package / "__init__.py").write_text(line, encoding="utf-8")
        (vault / package / "__main__.py").write_text(line, encoding="utf-8")
    for module in MODULES:
        (vault / f"{module}.py").write_text(line, encoding="utf-8")
    (vault / "x.pth").write_text("import json\n", encoding="utf-8")
    for program in PROGRAMS:
        name = f"{program}.bat" if os.name == "nt" else program
        text = f"@echo x> {marker}\n" if os.name == "nt" else f"#!/bin/sh\necho x >> '{marker}'\n"
        (vault / name).write_text(text, encoding="utf-8")
        (vault / name).chmod(0o755)
    monkeypatch.chdir(vault)
    return vault


def call(command: list[str], expected: str) -> None:
    """Start a command in the current folder; `expected` shows that it did its work."""
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert expected in done.stdout + done.stderr, done.stdout + done.stderr


def check_nothing_ran(vault: Path) -> None:
    marker = vault.parent / "executed"
    assert not marker.exists(), marker.read_text("utf-8")


SCRIPT = "import sys; sys.argv[0] = 'nightschool'; from nightschool.__main__ import main; main()"


slow = pytest.mark.slow


@pytest.mark.parametrize(
    "verb",
    ["status", *(pytest.param(verb, marks=slow) for verb in ("doctor", "plan", "notes", "run"))],
)
def test_installed_command_runs_nothing_of_the_current_folder(
    vault: Path, make_school: MakeSchool, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """A relative PATH finds programs there; the script lies in another folder, as an installed one does."""
    monkeypatch.setenv("PATH", os.pathsep.join([".", "", os.environ["PATH"]]))
    script = vault.parent / "nightschool.py"
    script.write_text(SCRIPT, encoding="utf-8")
    script.rename(script.with_name("installed-nightschool"))
    school = make_school(base="demo")
    expected = {"doctor": "torch", "plan": "step", "notes": "kind", "run": "prep done"}
    options = ["--now"] if verb == "run" else []
    call(
        [sys.executable, str(vault.parent / "installed-nightschool"), "--school", str(school.root), verb,
         *options],
        expected.get(verb, "there are no runs yet"),
    )  # fmt: skip
    check_nothing_ran(vault)


def test_command_of_each_service_runs_nothing_of_the_current_folder(
    vault: Path, make_school: MakeSchool
) -> None:
    work = WorkerCommand(make_school().root, Path(sys.executable))
    call([*work.command()[:-1], "status"], "there are no runs yet")
    check_nothing_ran(vault)


@slow
def test_set_up_script_runs_nothing_of_the_current_folder(
    vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks nvidia-smi, makes an environment and calls pip; the environment itself is a stand-in."""
    monkeypatch.setenv("PATH", os.pathsep.join([".", os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONPATH", "")
    place = vault.parent / "checkout"
    place.mkdir()
    script = (ROOT / "go.py").read_text("utf-8")
    (place / "go.py").write_text(script, encoding="utf-8")
    for name in ("constraints.txt", "pyproject.toml"):
        (place / name).write_text("torch==0.0.0\n", encoding="utf-8")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    call(
        [sys.executable, str(place / "go.py"), "status"], "the set-up failed (exit code 1): -m pip"
    )
    check_nothing_ran(vault)


@slow
def test_worker_of_the_demo_runs_nothing_of_the_current_folder(
    vault: Path, make_school: MakeSchool
) -> None:
    school = make_school(base="demo")
    worker = tour._start_worker(school)
    deadline = time.monotonic() + 60
    while worker_alive(school) is None:
        assert time.monotonic() < deadline and worker.poll() is None, "the worker did not start"
        time.sleep(0.1)
    worker.terminate()
    worker.wait()
    check_nothing_ran(vault)


@pytest.mark.parametrize("module", ["nightschool", "nightschool.jobs.signals"])
def test_module_runs_nothing_but_a_package_of_its_own_name(vault: Path, module: str) -> None:
    """`python -m` searches the current folder before the program can prevent it."""
    for file in vault.glob("nightschool/**/*.py"):
        file.unlink()
    for folder in ("nightschool/tasks", "nightschool/cli", "nightschool"):
        (vault / folder).rmdir()
    call([sys.executable, "-m", module, "--help"], "")
    check_nothing_ran(vault)


def test_relative_entries_of_the_environment_are_not_searched(
    vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join(["", ".", "bin", str(vault.parent)]))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "lib", str(ROOT)]))
    monkeypatch.setenv("HF_HOME", "models")
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setenv("NODEFAULTCURRENTDIRECTORYINEXEPATH", "")
    monkeypatch.setattr(sys, "path", [str(vault / "lib"), str(ROOT)])
    current_folder.keep_out()
    assert os.environ["PATH"] == str(vault.parent)
    assert os.environ["PYTHONPATH"] == str(ROOT)
    assert os.environ["HF_HOME"] == str(vault / "models")
    assert sys.path == [str(ROOT)]
    assert current_folder.program("nvidia-smi") is None
