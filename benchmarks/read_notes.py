"""Time and memory to read 100,000 notes, and to take their inventory.

    python benchmarks/read_notes.py                        # all arms; writes 300 MB below --work once
    python benchmarks/read_notes.py --notes 20000 --arm folder --arm csv
    python benchmarks/read_notes.py --arm folder --profile # where the time goes

The notes are shuffled sentences of the demo's notes: 60 to 4,000 characters, a third of them Japanese
(every tenth of these in cp932), a third with front matter, a tenth with tags, 3 in 100 copies, half of them
unlabelled. The arms: `folder` (a file each), `headings` (files of 50 notes each, split), `jsonl`, `csv`,
and `inventory`, which is everything that `nightschool notes` does on the folder, with the demo's tokenizer.
Each arm runs in its own process and prints one JSON line. `seconds` excludes imports; `cpu_s` is the CPU time
of all cores; `peak_mb` is the peak memory of the process, `texts_mb` the size of the texts, `extra` the
ratio of the two without the memory of the bare process. The files are in the file system's cache unless
--cold drops them first (Linux).
"""

from __future__ import annotations

import argparse
import cProfile
import csv
import json
import os
import pstats
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ARMS = ("folder", "headings", "jsonl", "csv", "inventory")
KINDS = ("knowledge", "lesson", "decision", "value", "none")


def sentences() -> dict[bool, list[str]]:
    """The lines of the demo's notes by whether they are Japanese."""
    import nightschool

    found: dict[bool, list[str]] = {False: [], True: []}
    for file in sorted((Path(nightschool.__path__[0]) / "demo/notes").rglob("*.md")):
        for line in file.read_text("utf-8").split("\n"):
            found[any("\u3040" <= c <= "\u30ff" for c in line)] += [line] if line.strip() else []
    return found


def made_notes(count: int) -> Iterator[tuple[str, str | None, bool]]:
    """(text, kind, is Japanese) of `count` notes, the same ones each time."""
    rng = random.Random(0)
    stock = sentences()
    last = ""
    for _ in range(count):
        japanese = rng.random() < 1 / 3
        kind = rng.choice(KINDS) if rng.random() < 0.5 else None
        if rng.random() < 0.03 and last:
            yield last, kind, False
            continue
        length = min(4000, max(60, int(rng.lognormvariate(6.3, 0.9))))
        lines: list[str] = []
        while sum(map(len, lines)) < length:
            lines.append(rng.choice(stock[japanese]))
        last = "\n".join(lines)
        yield last, kind, japanese


def write_folder(folder: Path, count: int) -> None:
    for number, (text, kind, japanese) in enumerate(made_notes(count)):
        place = folder / (kind or "") / f"{number % 97:02d}"
        if not place.is_dir():
            place.mkdir(parents=True)
        matter = f"---\ntitle: note {number}\ncreated: 2025-01-02\ntags: [home, idea]\n---\n"
        text = (matter if number % 3 == 0 else "") + text + (" #idea" if number % 10 == 0 else "")
        encoding = "cp932" if japanese and number % 10 == 0 else "utf-8"
        (place / f"note-{number}.md").write_bytes(text.encode(encoding, "replace"))


def write_headings(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    parts: list[str] = []
    for number, (text, _, _) in enumerate(made_notes(count), start=1):
        parts.append(f"## Note {number}\n\n{text}\n\n")
        if number % 50 == 0 or number == count:
            (folder / f"diary-{number}.md").write_text("".join(parts), encoding="utf-8")
            parts = []


def write_jsonl(file: Path, count: int) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as stream:
        for text, kind, _ in made_notes(count):
            stream.write(json.dumps({"text": text, "label": kind}, ensure_ascii=False) + "\n")


def write_csv(file: Path, count: int) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        writer.writerows([text, kind or ""] for text, kind, _ in made_notes(count))


WRITERS: dict[str, Callable[[Path, int], None]] = {
    "folder": write_folder, "headings": write_headings, "jsonl": write_jsonl, "csv": write_csv,
}  # fmt: skip


def place(work: Path, arm: str, count: int) -> Path:
    """The path of an arm's notes, which are written once."""
    name = "folder" if arm == "inventory" else arm
    path = work / f"{name}-{count}" if name in ("folder", "headings") else work / f"{count}.{name}"
    if not path.exists():
        aside = path.with_name(f"unfinished-{path.name}")
        shutil.rmtree(aside, ignore_errors=True)
        WRITERS[name](aside, count)
        aside.rename(path)
    return path


def peak_mb() -> float:
    """Peak memory of this process in MB (getrusage counts bytes on macOS, else KiB)."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / 1e6


def measure(arm: str, path: Path, work: Path) -> dict[str, Any]:
    """Do an arm's work in this process."""
    from nightschool.config.paths import School
    from nightschool.config.settings_file import check
    from nightschool.notes.readers import read_school

    split = "headings" if arm == "headings" else "file"
    notes = {"folder": str(path), "split": split}
    settings = check({"preset": "cpu-demo", "notes": notes}, "", "benchmark")
    bare = peak_mb()
    began = time.perf_counter()
    if arm == "inventory":
        from nightschool.stages.survey import survey

        inventory = survey(School(work), settings)
        return {"seconds": time.perf_counter() - began, "notes": inventory.total}
    loaded = read_school(work, settings)
    seconds = time.perf_counter() - began
    texts = sum(sys.getsizeof(note.text) for note in loaded.notes) / 1e6
    return {
        "seconds": seconds,
        "notes": len(loaded.notes),
        "skipped": len(loaded.skipped),
        "texts_mb": round(texts),
        "extra": round((peak_mb() - bare) / texts, 2),
    }


def drop_from_cache(path: Path) -> None:
    """Drop files from the file system's cache."""
    for file in [path] if path.is_file() else path.rglob("*"):
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            os.fsync(handle)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--arm", action="append", choices=ARMS)
    parser.add_argument("--notes", type=int, default=100_000)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--work", type=Path, default=Path("/tmp/nightschool-read"))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    for arm in given.arm or ARMS:
        path = place(given.work, arm, given.notes)
        if not given.here:
            if given.cold:
                drop_from_cache(path)
            # In its own process, so that the peak memory is that of this arm.
            subprocess.run(
                [sys.executable, __file__, "--here", "--arm", arm, "--notes", str(given.notes),
                 "--work", str(given.work), *["--profile"] * given.profile],
                check=True,
            )  # fmt: skip
            continue
        profiler = cProfile.Profile()
        if given.profile:
            profiler.enable()
        busy = time.process_time()
        found = measure(arm, path, given.work)
        profiler.disable()
        found["cpu_s"] = round(time.process_time() - busy, 2)
        if given.profile:
            pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
        found["seconds"] = round(found["seconds"], 2)
        found["notes_a_second"] = round(found["notes"] / found["seconds"])
        print(json.dumps({"arm": arm, **found, "peak_mb": round(peak_mb())}), flush=True)


if __name__ == "__main__":
    main()
