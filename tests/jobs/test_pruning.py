"""What is deleted from the disk, in which order, and what a crash leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nightschool.config import files
from nightschool.config.errors import RequestError
from nightschool.config.paths import School
from nightschool.config.settings_file import load
from nightschool.jobs.pruning import prunable_parts, prune, prune_as_set, prune_caches
from nightschool.jobs.requests import request_retry
from nightschool.jobs.storage_use import storage_use
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.records import StageName, Timing
from tests.conftest import MakeSchool


def add_finished_run(school: School, *, stages: int = 5) -> int:
    """A run with the files that its stages leave, in the ledger and on the disk."""
    with Ledger(school.ledger_file) as ledger:
        run = ledger.add_run({}, StageName.COMPARE, Timing.NOW).id
        for _ in range(stages):
            claim = ledger.claim(run, "worker")
            assert claim
            ledger.finish(claim, {"dataset": f"d{run}", "reason": ""})
        if stages < 5:
            claim = ledger.claim(run, "worker")
            assert claim
            ledger.fail(claim, "broken")
    folder = school.run_folder(run)
    files.write(folder / "prep.json", "{}")
    files.write(folder / "checkpoints" / "step-1" / "adapter.safetensors", "c" * 1000)
    files.write(school.datasets / f"d{run}" / "items.jsonl", "d" * 100)
    if stages > 2:
        for adapter in (folder / "adapter", school.model_folder(run) / "adapter"):
            files.write(adapter / "adapter_model.safetensors", "a" * 500)
        files.write(school.model_folder(run) / "model.json", "{}")
    return run


@pytest.fixture
def school(make_school: MakeSchool) -> Iterator[School]:
    school = make_school(each=0)
    for _ in range(3):
        add_finished_run(school)
    yield school


def test_pruning_leaves_results_and_one_copy_of_each_kept_model(school: School) -> None:
    with Ledger(school.ledger_file) as ledger:
        pruned = prune(school, ledger, 1)
    assert {part.path: part.bytes for part in pruned}["runs/1/checkpoints"] == 1000
    for run in (1, 2, 3):
        assert {p.name for p in school.run_folder(run).iterdir()} == {"prep.json", "run.json"}
        adapter = school.model_folder(run) / "adapter" / "adapter_model.safetensors"
        assert adapter.exists() == (run == 3)
        assert (school.model_folder(run) / "model.json").exists()
    assert [path.name for path in school.datasets.iterdir()] == ["d3"]
    with Ledger(school.ledger_file) as ledger:
        assert prune(school, ledger, 1) == []


def test_only_copy_of_an_adapter_stays(school: School) -> None:
    files.remove(school.model_folder(3))
    prune_as_set(school)
    assert (school.run_folder(3) / "adapter").exists()
    assert (school.run_folder(3) / "checkpoints").exists()


def test_a_crash_between_record_and_deletion_is_made_good(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(files, "remove", crash)
        with pytest.raises(KeyboardInterrupt), Ledger(school.ledger_file) as ledger:
            prune(school, ledger, 1)
    assert (school.run_folder(1) / "checkpoints").exists()
    prune_as_set(school)
    assert not (school.run_folder(1) / "checkpoints").exists()


def test_what_cannot_be_deleted_stays_for_the_next_pass(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    def held_open(path: Path) -> None:
        raise PermissionError(13, "in use", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(files, "remove", held_open)
        prune_as_set(school)
    prune_as_set(school)
    assert not (school.run_folder(3) / "checkpoints").exists()


def test_a_run_whose_dataset_was_pruned_is_not_retried(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    failed = add_finished_run(school, stages=2)
    add_finished_run(school)
    add_finished_run(school)
    with Ledger(school.ledger_file) as ledger:
        prune(school, ledger, 1)
        assert not (school.run_folder(failed) / "checkpoints").exists()
        with pytest.raises(RequestError, match="the dataset of run 1 was pruned"):
            request_retry(ledger, school, load(school.settings_file), failed)
        assert ledger.run(failed).state == "failed"


def add_cache(school: School, name: str, base: str) -> None:
    files.write(school.quantised / name / "manifest.json", f'{{"made_of": {{"base": "{base}"}}}}')


def test_caches_of_bases_that_no_model_in_use_needs_go(school: School) -> None:
    files.write(school.run_folder(3) / "prep.json", '{"base_fingerprint": "new"}')
    files.write(school.run_folder(1) / "prep.json", '{"base_fingerprint": "old"}')
    add_cache(school, "older", "new")
    add_cache(school, "a", "new")
    add_cache(school, "b", "old")
    add_cache(school, "c", "other")
    with Ledger(school.ledger_file) as ledger:
        ledger.promote(1)
        offered = {part.path for part in prunable_parts(school, ledger, 0) if "quant" in part.path}
        assert offered == {"quantised/older", "quantised/c"}
        prune_caches(school, ledger)
        ledger.add_run({}, StageName.COMPARE, Timing.NOW)
        assert ledger.claim(4, "worker")
        add_cache(school, "c", "other")
        assert prune_caches(school, ledger) == []
    assert sorted(path.name for path in school.quantised.iterdir()) == ["a", "b", "c"]


def test_storage_use_counts_every_byte_once(school: School) -> None:
    use = {part.path: part.bytes for part in storage_use(school)}
    record = (school.run_folder(1) / "run.json").stat().st_size
    assert (
        use["runs/1"] == 1502 + record and use["models/run-1"] == 502 and use["datasets/d1"] == 100
    )
    on_disk = sum(path.stat().st_size for path in school.state.rglob("*") if path.is_file())
    assert sum(use.values()) == on_disk
