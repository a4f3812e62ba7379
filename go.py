"""Set up nightschool and run it; needs only Python 3.11 or later and the package index.

    python go.py demo          run all stages on the included notes, in minutes
    python go.py test          run the tests
    python go.py setup         set up the environment only (--torch cpu|cuda chooses the build)
    python go.py COMMAND ...   run any nightschool command

It creates `.venv` beside this file, with the versions of constraints.txt. Later calls reuse it unless
those files have changed.
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
# The package index has CPU builds for Windows and macOS and CUDA builds for Linux; PyTorch's own
# index has the others. CUDA 12.6 builds still include kernels for Turing (7.5).
TORCH_INDEX = {
    "cpu": "https://download.pytorch.org/whl/cpu",
    "cuda": "https://download.pytorch.org/whl/cu126",
}


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - older versions get this message
        version = platform.python_version()
        print(f"go.py: nightschool needs Python 3.11 or later; this is {version}", file=sys.stderr)
        return 1
    here = os.getcwd()
    os.chdir(ROOT)  # the current folder may hold a venv.py or an nvidia-smi.exe of others
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
        print(f"go.py: the set-up failed (exit code {error.returncode}): {step}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("go.py: stopped; the next call starts the set-up again", file=sys.stderr)
        return 1
    module = ["pytest"] if command == "test" else ["nightschool", command]
    # A relative or empty entry would be the current folder.
    paths = filter(os.path.isabs, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    environment = os.environ | {"PYTHONUTF8": "1", "PYTHONPATH": os.pathsep.join(paths)}
    folder = ROOT if command == "test" else here
    try:
        return subprocess.call([PYTHON, "-P", "-m", *module, *rest], cwd=folder, env=environment)
    except KeyboardInterrupt:
        return 1


def set_up(extras: set[str], torch: str | None) -> None:
    """Create or update the environment unless it is up to date."""
    try:
        done = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        done = {}  # never set up, or interrupted
    extras |= set(done.get("extras", []))
    torch = torch or done.get("torch") or ("cuda" if has_nvidia_driver() else "cpu")
    target = {"extras": sorted(extras), "torch": torch, "files": fingerprint()}
    if done == target:
        return
    reason = "an NVIDIA driver responds" if torch == "cuda" else "no NVIDIA driver responds"
    print(
        f"setting up {VENV} with torch for {torch} ({reason}); this takes a few minutes once",
        flush=True,
    )
    if not done:
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    if done.get("torch") != torch:
        install_torch(torch)
    name = f".[{','.join(sorted(extras))}]" if extras else "."
    pip("install", "--constraint", "constraints.txt", "--editable", name)
    STAMP.write_text(json.dumps(target), encoding="utf-8")


def install_torch(build: str) -> None:
    """Install the tested version of torch in the given build."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    version = next(line for line in lines if line.startswith("torch=="))
    if (
        platform.system() == "Darwin"
        or (platform.system() == "Windows" and build == "cpu")
        or (platform.system() == "Linux" and build == "cuda")
    ):
        pip("install", version)
    else:
        # The index that pip is configured with comes first: a mirror or a local folder may have the build.
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
    """Whether an NVIDIA driver responds; a leftover nvidia-smi alone is not enough."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    try:
        return subprocess.run([program, "-L"], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def fingerprint() -> str:
    """A hash that changes when the environment must be updated."""
    digest = hashlib.sha256(sys.version.encode())
    for name in ("constraints.txt", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
