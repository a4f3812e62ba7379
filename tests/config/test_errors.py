"""Which errors are final."""

from __future__ import annotations

import errno

import pytest

from nightschool.config.errors import (
    BaseUnavailable,
    ConfigError,
    DeviceBusy,
    LearningError,
    LedgerError,
    NotesError,
    NotesUnavailable,
    is_final,
)

CAUSES: list[tuple[Exception, bool]] = [
    (FileNotFoundError(errno.ENOENT, "no such file"), True),
    (PermissionError(errno.EACCES, "denied"), True),
    (ValueError("not JSON"), True),
    (OSError("no file named model.safetensors"), True),  # transformers gives no code
    (OSError(errno.EIO, "Input/output error"), False),
    (OSError(errno.ESTALE, "Stale file handle"), False),
    (RuntimeError("I/O error: Input/output error (os error 5)"), False),  # safetensors
    (RuntimeError("No such file or directory (os error 2)"), True),
    (MemoryError(), False),
    (LedgerError("the ledger is held"), False),
]


@pytest.mark.parametrize("kind", [ConfigError, NotesError, LearningError])
def test_errors_of_settings_notes_and_base_are_final(kind: type[Exception]) -> None:
    assert is_final(kind("wrong"))


@pytest.mark.parametrize(
    "error",
    [
        NotesUnavailable("gone"), BaseUnavailable("no network"), DeviceBusy("busy"), LedgerError("busy"),
        OSError(errno.EIO, "Input/output error"), RuntimeError("CUDA error"), KeyError("a bug"), MemoryError(),
    ],
)  # fmt: skip
def test_every_other_error_may_pass(error: Exception) -> None:
    assert not is_final(error)


@pytest.mark.parametrize(("cause", "final"), CAUSES)
@pytest.mark.parametrize("shown", [True, False])
def test_a_final_error_with_a_passing_cause_may_pass(
    cause: Exception, final: bool, shown: bool
) -> None:
    with pytest.raises(LearningError) as raised:
        try:
            raise cause
        except Exception as error:
            raise LearningError("the base cannot be loaded") from error if shown else None
    assert is_final(raised.value) is final
