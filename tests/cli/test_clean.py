"""`clean`."""

from __future__ import annotations

import json

from tests.cli.conftest import invoke
from tests.conftest import MakeSchool
from tests.jobs.test_pruning import add_finished_run


def test_clean_shows_what_takes_room_and_deletes_only_when_confirmed(
    make_school: MakeSchool,
) -> None:
    school = make_school(each=0)
    for _ in range(2):
        add_finished_run(school)
    checkpoints = school.run_folder(1) / "checkpoints"
    shown = invoke(school, "clean", "--dry-run").output
    assert "runs/1/checkpoints (its model is published)" in shown
    refused = invoke(school, "clean")
    assert refused.exit_code == 2 and "confirm with --yes" in refused.stderr
    assert checkpoints.exists()
    assert "deleted: 3.0 kB" in invoke(school, "clean", "--yes").output
    assert not checkpoints.exists()
    assert "nothing can be deleted" in invoke(school, "clean").output


def test_clean_prints_json(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    for _ in range(2):
        add_finished_run(school)
    shown = json.loads(invoke(school, "clean", "--json", "--keep", "1", "--dry-run").output)
    assert shown["keep"] == 1 and shown["pruned"] == []
    paths = {part["path"] for part in shown["prunable"]}
    assert "models/run-1/adapter" in paths and "models/run-2/adapter" not in paths
    done = json.loads(invoke(school, "clean", "--json", "--keep", "1", "--yes").output)
    assert {part["path"] for part in done["pruned"]} == paths


def test_a_pruned_model_is_said_to_be_pruned(make_school: MakeSchool) -> None:
    school = make_school(each=0)
    for _ in range(3):
        add_finished_run(school)
    invoke(school, "clean", "--keep", "1", "--yes")
    refused = invoke(school, "promote", "1")
    assert refused.exit_code == 2 and refused.stderr.count("\n") == 1
    assert "the model of run 1 was pruned on" in refused.stderr
