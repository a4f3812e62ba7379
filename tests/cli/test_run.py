"""`run`."""

from __future__ import annotations

from nightschool.config.paths import School
from nightschool.config.settings import recorded
from nightschool.ledger.ledger import Ledger
from tests.cli.conftest import invoke
from tests.conftest import MakeSchool


def quick_minutes(school: School) -> list[float]:
    with Ledger(school.ledger_file) as ledger:
        return [recorded(run.settings).train.quick_minutes for run in ledger.runs()]


def test_a_quick_run_records_its_time_limit(make_school: MakeSchool) -> None:
    school = make_school()
    invoke(school, "run", "--quick", "--detach")
    invoke(school, "run", "--quick", "--within", "1h30m", "--new", "--detach")
    invoke(school, "run", "--new", "--detach")
    assert quick_minutes(school) == [45.0, 90.0, 0.0]


def test_an_unfinished_run_keeps_its_time_limit(make_school: MakeSchool) -> None:
    school = make_school()
    invoke(school, "run", "--quick", "--detach")
    again = invoke(school, "run", "--detach").output
    assert "continues" in again and "yours have changed" not in again
    other = invoke(school, "run", "--quick", "--within", "10m", "--detach").output
    assert "keeps its time limit (45 min)" in other and "yours have changed" not in other
    assert quick_minutes(school) == [45.0]


def seed_counts(school: School) -> list[int]:
    with Ledger(school.ledger_file) as ledger:
        return [recorded(run.settings).train.seeds for run in ledger.runs()]


def test_a_run_of_several_seeds_shows_their_cost(make_school: MakeSchool) -> None:
    school = make_school()
    shown = invoke(school, "run", "--seeds", "3", "--detach").output
    assert "3 seeds: 3 trainings and evaluations" in shown and "takes 3 times as long" in shown
    again = invoke(school, "run", "--detach").output
    assert "continues" in again and "yours have changed" not in again
    other = invoke(school, "run", "--seeds", "2", "--detach").output
    assert "keeps its number of seeds (3): `nightschool run --seeds 2 --new`" in other
    quick = invoke(school, "run", "--seeds", "2", "--quick", "--new", "--detach").output
    assert "they share the time limit" in quick
    assert (seed_counts(school), quick_minutes(school)) == ([3, 2], [0.0, 45.0])


def test_a_second_request_does_not_postpone_a_run_that_works_now(make_school: MakeSchool) -> None:
    school = make_school()
    invoke(school, "run", "--now", "--detach")
    timings = []
    for again in ([], ["--tonight"]):
        invoke(school, "run", *again)
        with Ledger(school.ledger_file) as ledger:
            timings.append(ledger.run(1).timing)
    assert timings == ["now", "tonight"]


def test_moving_a_running_run_to_the_night_is_said_and_logged(make_school: MakeSchool) -> None:
    school = make_school()
    invoke(school, "run", "--now", "--detach")
    with Ledger(school.ledger_file) as ledger:
        assert ledger.claim(1, "worker")
        output = invoke(school, "run", "--tonight").output
        assert "it was to work now; it stops and waits for the night" in output
        assert "it no longer waits" in invoke(school, "run", "--now", "--detach").output
        logged = [event.message for event in ledger.events(1) if "your request" in event.message]
    assert logged == [
        "run 1 was to work now; by your request it works tonight",
        "run 1 was to work tonight; by your request it works now",
    ]


def test_a_run_that_is_queued_during_a_pause_waits(make_school: MakeSchool) -> None:
    school = make_school()
    invoke(school, "pause")
    assert "run 1 waits: paused until `nightschool resume`" in invoke(school, "run").output


def test_a_run_that_is_running_does_not_start_again(make_school: MakeSchool) -> None:
    school = make_school()
    invoke(school, "run", "--now", "--detach")
    with Ledger(school.ledger_file) as ledger:
        assert ledger.claim(1, "worker")
    output = invoke(school, "run", "--now", "--detach").output
    assert "run 1 is running" in output and "starts now" not in output
