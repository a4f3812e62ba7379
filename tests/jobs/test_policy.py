"""The policy's decisions, their reasons, and the order of the reasons."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.config.night import window_at
from nightschool.jobs.history import History
from nightschool.jobs.policy import RETRY_S, STOP_S, PolicyDecision, decide
from nightschool.jobs.reasons import DISTURBANCES
from nightschool.jobs.signals.signal import Signal, Signals
from nightschool.ledger.outcomes import Reason
from nightschool.ledger.records import Timing
from tests.jobs.nights import CALM, at, control, night, run, signals

MIDNIGHT = at("00:00", 25)


def decided(
    timing: Timing = Timing.TONIGHT,
    now: float = MIDNIGHT,
    history: History = History(),  # noqa: B008
    device: str = "auto",
    paused: Any = None,
    read: Signals | None = None,
    settings: dict[str, Any] | None = None,
    **changes: Any,
) -> PolicyDecision:
    return decide(
        run(timing, device),
        paused or control(),
        read or signals(**changes),
        night(**(settings or {})),
        now,
        history,
    )


# Rules about the owner's requests and the clock


def test_no_run_is_nothing_to_do() -> None:
    decision = decide(None, control(paused=True), None, night(), MIDNIGHT, History())
    assert (decision.run, decision.reason) == (False, Reason.NOTHING_TO_DO)


@pytest.mark.parametrize(
    ("now", "allowed", "reason", "check"),
    [
        (at("12:00"), False, Reason.OUTSIDE_WINDOW, at("23:00")),
        (at("22:59"), False, Reason.OUTSIDE_WINDOW, at("23:00")),
        (at("23:00"), True, Reason.IN_WINDOW, at("07:00", 25) - STOP_S),
        (at("03:00"), True, Reason.IN_WINDOW, at("07:00") - STOP_S),
        (at("07:00") - STOP_S, False, Reason.OUTSIDE_WINDOW, at("23:00")),
        (at("07:00"), False, Reason.OUTSIDE_WINDOW, at("23:00")),
    ],
)
def test_work_is_allowed_inside_the_window_and_ends_before_it_closes(
    now: float, allowed: bool, reason: Reason, check: float
) -> None:
    decision = decided(now=now)
    assert (decision.run, decision.reason, decision.next_check) == (allowed, reason, check)


def test_work_continues_between_adjoining_windows() -> None:
    settings = {"days": {"tuesday": "22:00-24:00", "wednesday": ["00:00-02:00", "23:00-24:00"]}}
    assert decided(now=MIDNIGHT - 1, settings=settings).run
    assert decided(now=MIDNIGHT, settings=settings).run
    assert not decided(now=at("02:00", 25) - STOP_S, settings=settings).run


def test_pause_stops_every_run_until_its_end() -> None:
    decision = decided(Timing.NOW, paused=control(True, at("02:00", 25)))
    assert (decision.run, decision.reason, decision.next_check) == (
        False, Reason.PAUSED, at("02:00", 25),
    )  # fmt: skip
    assert decision.detail == "paused until 02:00"
    assert "`nightschool resume`" in decided(paused=control(True)).detail


def test_no_work_after_finish_by_in_an_open_window() -> None:
    settings = {"finish_by": "06:00"}
    assert decided(now=at("05:00"), settings=settings).next_check == at("06:00") - STOP_S
    decision = decided(now=at("06:00"), settings=settings)
    assert (decision.reason, decision.next_check) == (Reason.FINISH_BY, at("23:00"))
    assert decided(now=at("07:00"), settings=settings).reason is Reason.OUTSIDE_WINDOW


def test_no_work_after_max_hours_until_the_next_night() -> None:
    stretches = ((at("20:00"), at("23:30")), (at("23:40"), None))
    history = History(running=True, stretches=stretches)
    settings = {"max_hours": 1.0}
    working = decided(now=MIDNIGHT, history=history, settings=settings)
    assert (working.run, working.next_check) == (True, at("00:10", 25))
    decision = decided(now=at("00:10", 25), history=history, settings=settings)
    assert (decision.reason, decision.next_check) == (Reason.HOURS_USED, at("23:00", 25))
    assert decided(now=at("23:00", 25), settings=settings).run


# Rules about the signals


@pytest.mark.parametrize(
    ("changes", "settings", "reason", "detail"),
    [
        ({"suspending": True}, {}, Reason.SUSPENDING, "about to sleep"),
        ({"disk_free": 1.5e9}, {}, Reason.DISK_FULL, "1.5 GB of disk are free, 2 GB are needed"),
        ({"gpu_temperature": 88.0}, {}, Reason.TOO_HOT, "the GPU is at 88 °C, above 87 °C"),
        ({"on_ac": False}, {}, Reason.ON_BATTERY, "the computer runs on battery (80 %)"),
        ({"on_ac": False, "battery": 49.0}, {"on_battery": True}, Reason.BATTERY_LOW,
         "the battery is at 49 %, below 50 %"),
        ({"on_ac": None}, {}, Reason.POWER_UNKNOWN, "the computer is plugged in (test: broken)"),
        ({"on_ac": False, "battery": None}, {"on_battery": True}, Reason.POWER_UNKNOWN, "charge"),
        ({"on_ac": None, "battery": None}, {"on_battery": True}, Reason.POWER_UNKNOWN, "charge"),
        ({"on_ac": None, "battery": 3.0}, {"on_battery": True, "if_power_unknown": "train"},
         Reason.BATTERY_LOW, "the battery is at 3 %, below 50 %"),
        ({"on_ac": None, "battery": 3.0}, {"if_power_unknown": "train"}, Reason.BATTERY_LOW, "at 3 %"),
        ({"idle_s": 200.0}, {}, Reason.OWNER_ACTIVE, "idle for 3 min 20 s of 10 min"),
        ({"idle_s": None}, {}, Reason.IDLE_UNKNOWN, "your last input is unknown (test: broken)"),
        ({"presenting": "mpv"}, {}, Reason.PRESENTING, "mpv keeps the screen on"),
        ({"presenting": None}, {"if_presenting_unknown": "wait"}, Reason.PRESENTING_UNKNOWN, "unknown"),
        ({"programs": ("game.exe",)}, {"exclusive": ["game.exe"]}, Reason.EXCLUSIVE_PROGRAM,
         "game.exe runs (night.exclusive)"),
        ({"programs": None}, {"exclusive": ["a", "b"]}, Reason.EXCLUSIVE_PROGRAM,
         "it is unknown whether a or b runs (test: broken)"),
        ({"gpu_programs": ("blender", "ollama")}, {}, Reason.GPU_BUSY, "blender, ollama run on the GPU"),
        ({"gpu_load": 60.0}, {}, Reason.GPU_BUSY, "other programs use 60 % of the GPU"),
        ({"gpu_programs": None, "gpu_load": None}, {}, Reason.GPU_UNKNOWN, "who uses the GPU (test: broken)"),
        ({"cpu_load": 51.0}, {}, Reason.CPU_BUSY, "use 51 % of the CPU, more than 50 %"),
    ],
)  # fmt: skip
def test_each_signal_stops_work_and_the_detail_has_its_value(
    changes: dict[str, Any], settings: dict[str, Any], reason: Reason, detail: str
) -> None:
    decision = decided(settings=settings, **changes)
    assert (decision.run, decision.reason) == (False, reason)
    assert detail in decision.detail
    safety = reason in (Reason.SUSPENDING, Reason.DISK_FULL, Reason.TOO_HOT)
    assert decided(Timing.NOW, settings=settings, **changes).run is not safety


@pytest.mark.parametrize(
    ("changes", "settings"),
    [
        ({"disk_free": 0.0}, {"min_disk_gb": 0}),
        ({"disk_free": None}, {}),
        ({"gpu_temperature": 120.0}, {"max_temperature": 0}),
        ({"gpu_temperature": None}, {}),
        ({"on_ac": False}, {"on_battery": True}),
        ({"on_ac": None}, {"if_power_unknown": "train"}),
        ({"on_ac": None, "battery": None}, {"on_battery": True, "if_power_unknown": "train"}),
        ({"on_ac": None, "battery": 95.0}, {"on_battery": True}),
        ({"on_ac": True, "battery": 3.0}, {"on_battery": True}),
        ({"idle_s": 0.0}, {"idle_minutes": 0}),
        ({"idle_s": None}, {"if_idle_unknown": "train"}),
        ({"presenting": "mpv"}, {"if_presenting": "train"}),
        ({"presenting": None}, {}),
        ({"gpu_programs": ("x",), "gpu_load": 99.0}, {"gpu": "shared"}),
        ({"gpu_programs": None, "gpu_load": None}, {"if_gpu_unknown": "train"}),
        ({"gpu_load": None}, {}),
        ({"cpu_load": 100.0}, {"max_cpu_load": 100}),
        ({"cpu_load": None}, {}),
        ({"programs": None}, {}),
    ],
)
def test_each_rule_can_be_overridden(changes: dict[str, Any], settings: dict[str, Any]) -> None:
    assert decided(settings=settings, **changes).run


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_gpu_rules_are_ignored_for_runs_on_other_devices(device: str) -> None:
    assert decided(device=device, gpu_programs=None, gpu_load=None, gpu_temperature=99.0).run
    assert not decided(device="cuda", gpu_programs=None).run


def test_hot_gpu_cools_down_before_work_resumes() -> None:
    assert decided(gpu_temperature=80.0).run
    cooling = decided(gpu_temperature=80.0, history=History(hot=True))
    assert (cooling.reason, cooling.detail) == (
        Reason.TOO_HOT,
        "the GPU is cooling down: at 80 °C, resumes at 75 °C",
    )
    assert decided(gpu_temperature=75.0, history=History(hot=True)).run


def test_decision_after_a_sleep_is_checked_again_at_once() -> None:
    decision = decided(Timing.NOW, history=History(woke=True))
    assert (decision.run, decision.reason, decision.next_check) == (False, Reason.WOKE, MIDNIGHT)


def test_next_check_of_an_active_owner_is_the_earliest_idle_moment() -> None:
    assert decided(idle_s=420.0).next_check == MIDNIGHT + 180


# Rules about what happened before


@pytest.mark.parametrize("timing", Timing)
@pytest.mark.parametrize("reason", [Reason.DEVICE_BUSY, Reason.NOTES_GONE, Reason.DISK_FULL])
def test_busy_device_missing_notes_and_full_disk_are_retried_after_a_delay(
    timing: Timing, reason: Reason
) -> None:
    history = History(ended=(reason, MIDNIGHT - 60))
    decision = decided(timing, history=history)
    assert (decision.run, decision.reason) == (False, reason)
    assert decision.next_check == MIDNIGHT - 60 + RETRY_S
    assert "next attempt at 00:04" in decision.detail
    assert decided(timing, now=MIDNIGHT - 60 + RETRY_S, history=history).run
    assert decided(timing, now=MIDNIGHT - 61, history=history).run, "the clock was set back"


def test_work_resumes_after_the_quiet_time() -> None:
    history = History(disturbed=Reason.ON_BATTERY, quiet_since=MIDNIGHT - 120)
    decision = decided(history=history)
    assert (decision.reason, decision.next_check) == (Reason.QUIET_TIME, MIDNIGHT + 180)
    assert "all clear for 2 min of 5 min" in decision.detail and "on battery" in decision.detail
    assert decided(now=MIDNIGHT + 180, history=history).run
    assert decided(history=history, settings={"quiet_minutes": 0}).run


def test_quiet_time_is_reported_only_after_the_disturbance() -> None:
    history = History(disturbed=Reason.ON_BATTERY, quiet_since=None)
    reasons = [finding.reason for finding in decided(history=history, on_ac=False).findings]
    assert reasons == [Reason.ON_BATTERY]
    reasons = [finding.reason for finding in decided(history=history, idle_s=0.0).findings]
    assert reasons == [Reason.OWNER_ACTIVE, Reason.QUIET_TIME]


def test_running_work_needs_no_quiet_time() -> None:
    history = History(running=True, disturbed=Reason.ON_BATTERY, quiet_since=MIDNIGHT - 1)
    assert decided(history=history).run


def test_quiet_time_restarts_while_the_disturbance_lasts() -> None:
    decision = decided(history=History(disturbed=Reason.PRESENTING, quiet_since=None))
    assert (decision.reason, decision.next_check) == (Reason.QUIET_TIME, MIDNIGHT + 300)


def test_quiet_time_in_the_future_after_a_clock_change_is_ignored() -> None:
    assert decided(history=History(disturbed=Reason.ON_BATTERY, quiet_since=MIDNIGHT + 3600)).run


def test_steady_idle_time_needs_no_quiet_time_but_a_jump_does() -> None:
    history = History(disturbed=Reason.OWNER_ACTIVE, quiet_since=None)
    assert decided(history=history, idle_s=601.0).run
    assert decided(history=history, idle_s=7000.0).reason is Reason.QUIET_TIME


def test_too_many_starts_wait_for_the_end_of_the_hour() -> None:
    starts = tuple(MIDNIGHT - 3000 + 500 * n for n in range(6))
    decision = decided(history=History(starts=starts))
    assert (decision.reason, decision.next_check) == (Reason.TOO_MANY_STARTS, MIDNIGHT + 600)
    assert decided(history=History(starts=starts[1:])).run
    assert decided(history=History(starts=starts, running=True)).run
    assert decided(now=MIDNIGHT + 600, history=History(starts=starts)).run


# `run --now`, and the order of the reasons


def test_run_now_lists_every_rule_that_it_overrides() -> None:
    decision = decided(Timing.NOW, now=at("12:00"), on_ac=False, idle_s=0.0)
    assert (decision.run, decision.reason) == (True, Reason.RUN_NOW)
    assert [finding.reason for finding in decision.findings] == [
        Reason.OUTSIDE_WINDOW, Reason.ON_BATTERY, Reason.OWNER_ACTIVE,
    ]  # fmt: skip


def test_without_signals_only_requests_and_the_clock_count() -> None:
    assert decide(run(), control(), None, night(), MIDNIGHT, History()).run
    assert not decide(run(), control(), None, night(), at("12:00"), History()).run
    assert not decide(run(Timing.NOW), control(True), None, night(), MIDNIGHT, History()).run


values = {
    "idle_s": st.none() | st.floats(0, 1e5),
    "on_ac": st.none() | st.booleans(),
    "battery": st.none() | st.floats(0, 100),
    "gpu_programs": st.none() | st.sampled_from([(), ("x",)]),
    "gpu_load": st.none() | st.floats(0, 100),
    "gpu_temperature": st.none() | st.floats(20, 110),
    "cpu_load": st.none() | st.floats(0, 100),
    "disk_free": st.none() | st.floats(0, 1e11),
    "presenting": st.none() | st.sampled_from(["", "mpv"]),
    "programs": st.none() | st.sampled_from([(), ("game",)]),
    "suspending": st.none() | st.booleans(),
}
drawn = st.fixed_dictionaries({}, optional=values)
histories = st.builds(
    History,
    running=st.booleans(),
    hot=st.booleans(),
    disturbed=st.none() | st.sampled_from(sorted(DISTURBANCES)),
    quiet_since=st.none() | st.floats(MIDNIGHT - 1000, MIDNIGHT + 1000),
    starts=st.lists(st.floats(MIDNIGHT - 4000, MIDNIGHT), max_size=9).map(sorted).map(tuple),
    ended=st.none()
    | st.tuples(
        st.sampled_from(["device_busy", "notes_gone", "disk_full", "lost"]),
        st.floats(MIDNIGHT - 1000, MIDNIGHT + 1000),
    ),
    woke=st.booleans(),
)
moments = st.floats(MIDNIGHT - 86400, MIDNIGHT + 86400)


@given(drawn, histories, moments, st.sampled_from(["now", "tonight"]), st.booleans())
def test_reason_is_the_first_finding_in_order(
    changes: dict[str, Any], history: History, now: float, timing: Timing, paused: bool
) -> None:
    settings = {"exclusive": ["game"]}
    decision = decided(timing, now, history, paused=control(paused), settings=settings, **changes)
    order = list(Reason)
    reasons = [finding.reason for finding in decision.findings]
    assert reasons == sorted(reasons, key=order.index)
    if decision.run:
        assert timing == "now" or not reasons
        assert all(order.index(reason) >= order.index(Reason.OUTSIDE_WINDOW) for reason in reasons)
    else:
        first = decision.findings[0]
        assert (decision.reason, decision.detail) == (first.reason, first.detail)
    for finding in decision.findings:
        assert finding.detail and "\n" not in finding.detail
        assert finding.next_check is None or finding.next_check >= now


@given(drawn, histories, moments)
def test_tonight_never_works_outside_the_window_on_battery_or_beside_the_owner(
    changes: dict[str, Any], history: History, now: float
) -> None:
    values = {**CALM, **changes}
    if decided(now=now, history=history, **changes).run:
        window = window_at(night(), now)
        assert window and now < window.closes - STOP_S
        assert values["on_ac"] and values["idle_s"] >= 600 and not values["suspending"]
        assert values["gpu_programs"] == () and not values["presenting"]


@given(drawn, histories, moments, st.sampled_from(sorted(values)))
def test_unknown_signals_never_allow_more_work(
    changes: dict[str, Any], history: History, now: float, name: str
) -> None:
    if name in ("idle_s", "on_ac", "gpu_programs"):
        assert not decided(now=now, history=history, **{**changes, name: None}).run


@given(drawn, histories, moments)
def test_decide_is_a_pure_function(changes: dict[str, Any], history: History, now: float) -> None:
    assert decided(now=now, history=history, **changes) == decided(
        now=now, history=history, **changes
    )


def test_all_signals_unknown_stops_work() -> None:
    no_value: Signal[Any] = Signal(None, "none", remark="no sensors")
    read = Signals(**{name: no_value for name in CALM})
    assert [finding.reason for finding in decided(read=read).findings] == [
        Reason.POWER_UNKNOWN, Reason.IDLE_UNKNOWN, Reason.GPU_UNKNOWN,
    ]  # fmt: skip
