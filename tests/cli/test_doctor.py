"""`doctor`."""

from __future__ import annotations

import json

from tests.cli.conftest import nightschool
from tests.conftest import MakeSchool


def test_every_part_is_checked(make_school: MakeSchool) -> None:
    done = nightschool("doctor", "--json", school=make_school())
    findings = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert {
        "python", "versions", "text", "disk", "ledger", "queue", "notes", "torch", "device",
        "precision", "base",
    } <= set(findings)  # fmt: skip
    problems = [finding for finding in findings.values() if finding["verdict"] == "problem"]
    assert done.returncode == bool(problems)
    assert findings["base"]["verdict"] == "ok"
    assert all(f["remedy"] for f in findings.values() if f["verdict"] != "ok")


def test_each_problem_has_a_remedy(make_school: MakeSchool) -> None:
    school = make_school(base="./nowhere", queue="redis://127.0.0.1:1/0", notes={"folder": "gone"})
    done = nightschool("doctor", "--json", school=school)
    findings = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 1
    for check in ("base", "queue", "notes"):
        assert findings[check]["verdict"] == "problem" and findings[check]["remedy"]
