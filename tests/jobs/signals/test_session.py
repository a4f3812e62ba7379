"""The closest of several sessions."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nightschool.jobs.signals.session import by_login_records, nearest
from nightschool.jobs.signals.signal import Signal


def test_local_comes_before_rdp_before_ssh() -> None:
    kinds = [("ssh", "ana"), ("local", "bob"), ("rdp", "cleo")]
    assert nearest(kinds, "logind") == Signal("local", "logind, session of bob")
    assert nearest(kinds[::2], "logind") == Signal("rdp", "logind, session of cleo")
    assert nearest([], "logind") == Signal("none", "logind")


@pytest.mark.parametrize(
    ("hosts", "kind"),
    [
        ([], "none"),
        (["192.0.2.7"], "ssh"),
        ([":0"], "local"),
        ([None], "local"),
        (["host", ""], "local"),
    ],
)
def test_login_records(hosts: list[str | None], kind: str) -> None:
    users = [SimpleNamespace(name="ana", host=host) for host in hosts]
    assert by_login_records(users).value == kind
