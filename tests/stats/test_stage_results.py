from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from nightschool.config import files
from nightschool.config.errors import DamagedFile, LearningError, UnreadableFile, is_final
from nightschool.stats.stage_results import (
    BaselineResult,
    CompareResult,
    EvaluateResult,
    PrepResult,
    SeedTraining,
    TrainResult,
    read_record,
    read_whole,
    write_record,
)

# As early builds of version 0.1.0 wrote them: without versions, arms, seeds or augmentations.
OLD_PREP = {
    "dataset": "0123456789abcdef",
    "fingerprint": "0123456789abcdef00",
    "train": 80,
    "validation": 20,
    "test": 40,
    "warnings": ["1 skipped (empty): a.md"],
    "base_folder": "/models/base",
    "base_fingerprint": "abc",
}
OLD_SCORING = {
    "accuracy": 0.5,
    "prompt": "p",
    "cut": 0,
    "chosen": [{"name": "device", "value": "cpu", "reason": "no GPU"}],
    "answers": {"a": "日記", "b": "memo"},
}
OLD_TRAIN = {
    "steps": 2,
    "peak_gb": None,
    "losses": [[1, 1.25], [2, 1.0]],
    "validation": [],
    "skipped": [],
    "cut": 0,
    "chosen": [],
    "adapter_sha256": "f" * 64,
    "seconds": 12.5,
}


def test_results_without_a_version_are_read_with_defaults(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text(json.dumps(OLD_PREP), "utf-8")
    prep = read_record(file, PrepResult)
    assert (prep.version, prep.made, prep.train) == (1, 0, 80)
    file.write_text(json.dumps(OLD_SCORING, ensure_ascii=False), "utf-8")
    baseline, evaluated = read_record(file, BaselineResult), read_record(file, EvaluateResult)
    assert baseline.answers == {"a": "日記", "b": "memo"}
    assert (baseline.probabilities, baseline.arms, baseline.absent) == ({}, {}, {})
    assert (evaluated.validation, evaluated.seeds) == ({}, ())
    file.write_text(json.dumps(OLD_TRAIN), "utf-8")
    trained = read_record(file, TrainResult)
    assert (trained.seed, trained.seeds, trained.losses) == (None, (), ((1, 1.25), (2, 1.0)))
    file.write_text('{"decision": "keep", "reason": "keep: no better", "page": "r"}', "utf-8")
    assert read_record(file, CompareResult).decision == "keep"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    trained = TrainResult.model_validate(OLD_TRAIN).model_copy(
        update={
            "seed": 1,
            "seeds": (SeedTraining(seed=1, validation_loss=0.1 + 0.2, adapter_sha256="f"),),
        }
    )
    write_record(tmp_path / "学 校" / "train.json", trained)
    assert read_record(tmp_path / "学 校" / "train.json", TrainResult) == trained


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"decision": ', "Invalid JSON"),
        ('{"decision": "perhaps"}', "decision: "),
        ("{}", "decision: Field required"),
        (None, "No such file"),
    ],
)
def test_an_unusable_file_is_named_in_one_line(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    file = tmp_path / "compare.json"
    if content is not None:
        file.write_text(content, "utf-8")
    with pytest.raises(DamagedFile) as raised:
        read_record(file, CompareResult)
    message = str(raised.value)
    assert message.startswith(f"{file} cannot be used (") and problem in message
    assert "\n" not in message and message.endswith("else restore it, or `nightschool run --new`")


def test_a_file_that_cannot_be_read_now_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "compare.json"
    file.write_text("{}", "utf-8")

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(file))

    monkeypatch.setattr(files, "read", fail)
    with pytest.raises(UnreadableFile) as raised:
        read_whole(file, CompareResult, lambda kind, message: None)
    assert str(raised.value) == f"{file} cannot be read (Input/output error): check its disk"
    assert file.exists() and not is_final(raised.value)


def test_a_file_of_a_newer_version_is_not_called_damaged(tmp_path: Path) -> None:
    file = tmp_path / "compare.json"
    file.write_text('{"decision": "keep", "version": 99}', "utf-8")
    with pytest.raises(LearningError) as raised:
        read_record(file, CompareResult)
    assert "a newer nightschool wrote it (version 99): update nightschool" in str(raised.value)


def test_every_flipped_bit_of_a_record_is_noticed_or_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "compare.json"
    result = CompareResult.model_validate({"decision": "keep", "reason": "日本", "page": "p"})
    write_record(file, result)
    whole = file.read_bytes()
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(changed)
        try:
            assert read_record(file, CompareResult) == result
        except DamagedFile:
            continue
        assert bit // 8 < len('{"sha256": "","') + 64, "only a flip in the checksum itself"
