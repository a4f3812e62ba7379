"""Set nightschool up and run it: needs nothing but Python 3.11 or later and the package index.

    python go.py demo          the whole way on the notes that ship with it, in minutes
    python go.py test          the tests
    python go.py setup         only the environment (--torch cpu or --torch cuda to choose)
    python go.py COMMAND ...   any nightschool command

It makes `.venv` beside this file, with the versions of constraints.txt. A second run sees that
nothing has changed and starts at once.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "nightschool-setup.json"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
# The package index has CPU builds for Windows and macOS and CUDA builds for Linux; the others
# are in PyTorch's own index. CUDA 12.6 builds still hold kernels for Turing (7.5).
TORCH_INDEX = {
    "cpu": "https://download.pytorch.org/whl/cpu",
    "cuda": "https://download.pytorch.org/whl/cu126",
}


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - this is what tells the owner of an older one
        found = platform.python_version()
        print(f"go.py: this is Python {found}; nightschool needs 3.11 or later", file=sys.stderr)
        return 1
    command, *rest = sys.argv[1:] or ["--help"]
    if command in ("-h", "--help"):
        print(__doc__)
        return 0
    try:
        if command == "setup":
            build = rest[1] if len(rest) == 2 and rest[0] == "--torch" else None
            if rest and build not in TORCH_INDEX:
                print("usage: python go.py setup [--torch cpu|cuda]", file=sys.stderr)
                return 2
            set_up(extras=set(), torch=build)
            return 0
        set_up(extras={"test"} if command == "test" else set(), torch=None)
    except subprocess.CalledProcessError as error:
        step = " ".join(map(str, error.cmd[1:]))
        print(f"go.py: setting up failed (exit code {error.returncode}): {step}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("go.py: stopped; the next call starts over", file=sys.stderr)
        return 1
    module = ["pytest"] if command == "test" else ["nightschool", command]
    environment = os.environ | {"PYTHONUTF8": "1"}
    folder = ROOT if command == "test" else None
    try:
        return subprocess.call([PYTHON, "-m", *module, *rest], cwd=folder, env=environment)
    except KeyboardInterrupt:
        return 1


def set_up(extras: set[str], torch: str | None) -> None:
    """Make or renew the environment, unless it is as wanted already."""
    try:
        done = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        done = {}  # never set up, or not to the end
    extras |= set(done.get("extras", []))
    torch = torch or done.get("torch") or ("cuda" if has_nvidia_driver() else "cpu")
    wanted = {"extras": sorted(extras), "torch": torch, "files": fingerprint()}
    if done == wanted:
        return
    why = "an NVIDIA driver is here" if torch == "cuda" else "no NVIDIA driver is here"
    print(
        f"setting up {VENV} with torch for {torch} ({why}); the first time takes minutes",
        flush=True,
    )
    if not done:
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    if done.get("torch") != torch:
        install_torch(torch)
    name = f".[{','.join(sorted(extras))}]" if extras else "."
    pip("install", "--constraint", "constraints.txt", "--editable", name)
    STAMP.write_text(json.dumps(wanted), encoding="utf-8")


def install_torch(build: str) -> None:
    """Install the tested torch in the wanted build."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    version = next(line for line in lines if line.startswith("torch=="))
    if (
        platform.system() == "Darwin"
        or (platform.system() == "Windows" and build == "cpu")
        or (platform.system() == "Linux" and build == "cuda")
    ):
        pip("install", version)
    else:
        # What pip is configured to look at first: a mirror or a local folder may have the build.
        local = f"{version}+{Path(TORCH_INDEX[build]).name}"
        try:
            pip("install", local, quiet=True)
        except subprocess.CalledProcessError:
            pip("install", version, "--index-url", TORCH_INDEX[build])


def pip(*arguments: str, quiet: bool = False) -> None:
    options = ["--disable-pip-version-check", "-qq"]
    errors = subprocess.DEVNULL if quiet else None
    subprocess.run([PYTHON, "-m", "pip", *arguments, *options], cwd=ROOT, check=True, stderr=errors)


def has_nvidia_driver() -> bool:
    """Whether an NVIDIA driver answers; a left-over nvidia-smi alone does not count."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    try:
        return subprocess.run([program, "-L"], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def fingerprint() -> str:
    """Changes when the environment has to be renewed."""
    digest = hashlib.sha256(sys.version.encode())
    for name in ("constraints.txt", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
