from __future__ import annotations

from pathlib import Path

import pytest

from nightschool.config.errors import DamagedFile
from nightschool.config.paths import School
from nightschool.ledger.artifacts import Artifact, artifact_of
from nightschool.ledger.ledger import Ledger
from nightschool.ledger.recorded_files import recorded_files
from nightschool.ledger.records import StageName, Timing


@pytest.fixture
def school(tmp_path: Path) -> School:
    school = School(tmp_path / "my 学校")
    folder = school.model_folder(1) / "adapter"
    with Ledger(school.ledger_file) as ledger:
        run = ledger.add_run({}, StageName.TRAIN, Timing.NOW).id
        folder.mkdir(parents=True)
        (folder / "weights").write_bytes(b"abc")
        for _ in (StageName.PREP, StageName.BASELINE):
            claim = ledger.claim(run, "w")
            assert claim
            ledger.finish(claim, {})
        claim = ledger.claim(run, "w")
        assert claim
        ledger.finish(claim, {}, artifacts=[artifact_of(school, folder / "weights")])
        ledger.finish(claim, {}, artifacts=[Artifact("late", "0" * 64, 0)])
    return school


def test_the_end_of_a_stage_records_its_files_once(school: School) -> None:
    with Ledger(school.ledger_file) as ledger:
        (artifact,) = ledger.artifacts(1).values()
    assert artifact.path == "models/run-1/adapter/weights" and artifact.size == 3
    assert artifact.sha256.startswith("ba7816bf8f01cfea")


def test_a_file_without_a_record_passes(school: School) -> None:
    recorded_files(school, 1).check(school.run_folder(1) / "left_out.json")
    recorded_files(School(school.root / "elsewhere"), 1).check(
        school.root / "elsewhere/.nightschool/x"
    )


@pytest.mark.parametrize("damage", ["changed", "missing", "folder"])
def test_a_recorded_file_that_differs_is_named_with_what_brings_it_back(
    school: School, damage: str
) -> None:
    file = school.model_folder(1) / "adapter" / "weights"
    recorded_files(school, 1).check_folder(file.parent)
    file.unlink()
    if damage == "changed":
        file.write_bytes(b"abd")
    elif damage == "folder":
        file.mkdir()
    with pytest.raises(DamagedFile) as raised:
        recorded_files(school, 1).check_folder(file.parent)
    message = str(raised.value)
    assert message.startswith(f"{file} is ") and "\n" not in message
    assert message.endswith("else restore it, or use another model with `nightschool rollback`")
