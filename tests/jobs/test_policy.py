"""What is decided, why, and in which order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.config.night import window_at
from nightschool.jobs.history import History
from nightschool.jobs.policy import AGAIN_S, STOP_S, Decision, decide
from nightschool.jobs.reasons import DISTURBANCES
from nightschool.jobs.signals.signal import Signal, Signals
from nightschool.ledger.outcomes import Reason
from tests.jobs.nights import CALM, at, control, night, run, signals

MIDNIGHT = at("00:00", 25)


def decided(
    timing: str = "tonight",
    now: float = MIDNIGHT,
    history: History = History(),  # noqa: B008
    device: str = "auto",
    paused: Any = None,
    told: Signals | None = None,
    settings: dict[str, Any] | None = None,
    **changes: Any,
) -> Decision:
    return decide(
        run(timing, device),
        paused or control(),
        told or signals(**changes),
        night(**(settings or {})),
        now,
        history,
    )


# The owner and the clock


def test_without_a_run_there_is_nothing_to_do() -> None:
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
def test_work_goes_on_within_the_window_and_is_over_when_it_closes(
    now: float, allowed: bool, reason: Reason, check: float
) -> None:
    decision = decided(now=now)
    assert (decision.run, decision.reason, decision.next_check) == (allowed, reason, check)


def test_between_windows_that_touch_work_goes_on() -> None:
    settings = {"days": {"tuesday": "22:00-24:00", "wednesday": ["00:00-02:00", "23:00-24:00"]}}
    assert decided(now=MIDNIGHT - 1, settings=settings).run
    assert decided(now=MIDNIGHT, settings=settings).run
    assert not decided(now=at("02:00", 25) - STOP_S, settings=settings).run


def test_a_pause_stops_every_run_until_its_end() -> None:
    decision = decided("now", paused=control(True, at("02:00", 25)))
    assert (decision.run, decision.reason, decision.next_check) == (
        False, Reason.PAUSED, at("02:00", 25),
    )  # fmt: skip
    assert decision.detail == "paused by its owner until 02:00"
    assert "`nightschool resume`" in decided(paused=control(True)).detail


def test_after_finish_by_the_rest_of_the_window_stays_unused() -> None:
    settings = {"finish_by": "06:00"}
    assert decided(now=at("05:00"), settings=settings).next_check == at("06:00") - STOP_S
    decision = decided(now=at("06:00"), settings=settings)
    assert (decision.reason, decision.next_check) == (Reason.FINISH_BY, at("23:00"))
    assert decided(now=at("07:00"), settings=settings).reason is Reason.OUTSIDE_WINDOW


def test_a_night_that_had_its_hours_waits_for_the_next_one() -> None:
    stretches = ((at("20:00"), at("23:30")), (at("23:40"), None))
    history = History(running=True, stretches=stretches)
    settings = {"max_hours": 1.0}
    going_on = decided(now=MIDNIGHT, history=history, settings=settings)
    assert (going_on.run, going_on.next_check) == (True, at("00:10", 25))
    decision = decided(now=at("00:10", 25), history=history, settings=settings)
    assert (decision.reason, decision.next_check) == (Reason.HOURS_USED, at("23:00", 25))
    assert decided(now=at("23:00", 25), settings=settings).run


# What the computer and its owner are doing


@pytest.mark.parametrize(
    ("changes", "settings", "reason", "said"),
    [
        ({"suspending": True}, {}, Reason.SUSPENDING, "about to sleep"),
        ({"disk_free": 1.5e9}, {}, Reason.DISK_FULL, "1.5 of 2 GB are free (night.min_disk_gb)"),
        ({"gpu_temperature": 88.0}, {}, Reason.TOO_HOT, "the GPU has 88 °C, over 87 °C"),
        ({"on_ac": False}, {}, Reason.ON_BATTERY, "it runs on battery (80 %)"),
        ({"on_ac": False, "battery": 49.0}, {"on_battery": True}, Reason.BATTERY_LOW,
         "the battery has 49 of 50 %"),
        ({"on_ac": None}, {}, Reason.POWER_UNKNOWN, "is unknown (test: broken)"),
        ({"on_ac": False, "battery": None}, {"on_battery": True}, Reason.POWER_UNKNOWN, "how full"),
        ({"on_ac": None, "battery": None}, {"on_battery": True}, Reason.POWER_UNKNOWN, "how full"),
        ({"on_ac": None, "battery": 3.0}, {"on_battery": True, "if_power_unknown": "train"},
         Reason.BATTERY_LOW, "the battery has 3 of 50 %"),
        ({"on_ac": None, "battery": 3.0}, {"if_power_unknown": "train"}, Reason.BATTERY_LOW, "has 3 of"),
        ({"idle_s": 200.0}, {}, Reason.OWNER_ACTIVE, "idle for 3 min 20 s of 10 min"),
        ({"idle_s": None}, {}, Reason.IDLE_UNKNOWN, "is unknown (test: broken)"),
        ({"presenting": "mpv"}, {}, Reason.PRESENTING, "mpv keeps the screen on"),
        ({"presenting": None}, {"if_presenting_unknown": "wait"}, Reason.PRESENTING_UNKNOWN, "unknown"),
        ({"programs": ("game.exe",)}, {"exclusive": ["game.exe"]}, Reason.EXCLUSIVE_PROGRAM,
         "game.exe runs (night.exclusive)"),
        ({"programs": None}, {"exclusive": ["a", "b"]}, Reason.EXCLUSIVE_PROGRAM,
         "whether a or b runs is unknown (test: broken)"),
        ({"gpu_programs": ("blender", "ollama")}, {}, Reason.GPU_BUSY, "blender, ollama run on the GPU"),
        ({"gpu_load": 60.0}, {}, Reason.GPU_BUSY, "other programs use 60 % of the GPU"),
        ({"gpu_programs": None, "gpu_load": None}, {}, Reason.GPU_UNKNOWN, "unknown (test: broken)"),
        ({"cpu_load": 51.0}, {}, Reason.CPU_BUSY, "use 51 % of the processor, over 50 %"),
    ],
)  # fmt: skip
def test_each_signal_stops_work_and_says_so_with_its_values(
    changes: dict[str, Any], settings: dict[str, Any], reason: Reason, said: str
) -> None:
    decision = decided(settings=settings, **changes)
    assert (decision.run, decision.reason) == (False, reason)
    assert said in decision.detail
    safety = reason in (Reason.SUSPENDING, Reason.DISK_FULL, Reason.TOO_HOT)
    assert decided("now", settings=settings, **changes).run is not safety


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
def test_the_gpu_does_not_matter_where_a_run_trains_without_it(device: str) -> None:
    assert decided(device=device, gpu_programs=None, gpu_load=None, gpu_temperature=99.0).run
    assert not decided(device="cuda", gpu_programs=None).run


def test_a_hot_gpu_cools_down_before_work_goes_on() -> None:
    assert decided(gpu_temperature=80.0).run
    still = decided(gpu_temperature=80.0, history=History(hot=True))
    assert (still.reason, still.detail) == (
        Reason.TOO_HOT,
        "the GPU cools down: 80 °C, to 75 °C",
    )
    assert decided(gpu_temperature=75.0, history=History(hot=True)).run


def test_a_computer_that_slept_is_asked_again_at_once() -> None:
    decision = decided("now", history=History(woke=True))
    assert (decision.run, decision.reason, decision.next_check) == (False, Reason.WOKE, MIDNIGHT)


def test_an_owner_who_is_active_is_looked_at_again_when_they_could_be_idle() -> None:
    assert decided(idle_s=420.0).next_check == MIDNIGHT + 180


# What happened before


@pytest.mark.parametrize("timing", ["now", "tonight"])
@pytest.mark.parametrize("reason", [Reason.DEVICE_BUSY, Reason.NOTES_GONE, Reason.DISK_FULL])
def test_a_device_in_use_notes_that_are_gone_and_a_disk_without_room_are_tried_again_after_some_minutes(
    timing: str, reason: Reason
) -> None:
    history = History(ended=(reason.value, MIDNIGHT - 60))
    decision = decided(timing, history=history)
    assert (decision.run, decision.reason) == (False, reason)
    assert decision.next_check == MIDNIGHT - 60 + AGAIN_S
    assert "it is tried again at 00:04" in decision.detail
    assert decided(timing, now=MIDNIGHT - 60 + AGAIN_S, history=history).run
    assert decided(timing, now=MIDNIGHT - 61, history=history).run, "the clock was set back"


def test_what_stopped_the_work_has_to_be_over_for_a_while() -> None:
    history = History(disturbed=Reason.ON_BATTERY, quiet_since=MIDNIGHT - 120)
    decision = decided(history=history)
    assert (decision.reason, decision.next_check) == (Reason.QUIET_TIME, MIDNIGHT + 180)
    assert "quiet for 2 min of 5 min" in decision.detail and "on battery" in decision.detail
    assert decided(now=MIDNIGHT + 180, history=history).run
    assert decided(history=history, settings={"quiet_minutes": 0}).run


def test_the_quiet_time_is_told_once_the_disturbance_is_over() -> None:
    history = History(disturbed=Reason.ON_BATTERY, quiet_since=None)
    found = [finding.reason for finding in decided(history=history, on_ac=False).findings]
    assert found == [Reason.ON_BATTERY]
    found = [finding.reason for finding in decided(history=history, idle_s=0.0).findings]
    assert found == [Reason.OWNER_ACTIVE, Reason.QUIET_TIME]


def test_work_that_goes_on_needs_no_quiet_time() -> None:
    history = History(running=True, disturbed=Reason.ON_BATTERY, quiet_since=MIDNIGHT - 1)
    assert decided(history=history).run


def test_the_quiet_time_begins_anew_while_the_disturbance_lasts() -> None:
    decision = decided(history=History(disturbed=Reason.PRESENTING, quiet_since=None))
    assert (decision.reason, decision.next_check) == (Reason.QUIET_TIME, MIDNIGHT + 300)


def test_a_quiet_time_that_lies_ahead_because_the_clock_was_set_back_is_over() -> None:
    assert decided(history=History(disturbed=Reason.ON_BATTERY, quiet_since=MIDNIGHT + 3600)).run


def test_idleness_that_grew_is_quiet_enough_and_one_that_leapt_is_not() -> None:
    history = History(disturbed=Reason.OWNER_ACTIVE, quiet_since=None)
    assert decided(history=history, idle_s=601.0).run
    assert decided(history=history, idle_s=7000.0).reason is Reason.QUIET_TIME


def test_after_many_starts_within_an_hour_it_waits_for_the_hour_to_end() -> None:
    starts = tuple(MIDNIGHT - 3000 + 500 * n for n in range(6))
    decision = decided(history=History(starts=starts))
    assert (decision.reason, decision.next_check) == (Reason.TOO_MANY_STARTS, MIDNIGHT + 600)
    assert decided(history=History(starts=starts[1:])).run
    assert decided(history=History(starts=starts, running=True)).run
    assert decided(now=MIDNIGHT + 600, history=History(starts=starts)).run


# What `run --now` overrides, and the order


def test_run_now_names_every_rule_that_it_overrides() -> None:
    decision = decided("now", now=at("12:00"), on_ac=False, idle_s=0.0)
    assert (decision.run, decision.reason) == (True, Reason.RUN_NOW)
    assert [finding.reason for finding in decision.findings] == [
        Reason.OUTSIDE_WINDOW, Reason.ON_BATTERY, Reason.OWNER_ACTIVE,
    ]  # fmt: skip


def test_without_signals_only_owner_and_clock_are_asked() -> None:
    assert decide(run(), control(), None, night(), MIDNIGHT, History()).run
    assert not decide(run(), control(), None, night(), at("12:00"), History()).run
    assert not decide(run("now"), control(True), None, night(), MIDNIGHT, History()).run


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
def test_the_first_of_all_that_speaks_against_it_is_the_reason(
    changes: dict[str, Any], history: History, now: float, timing: str, paused: bool
) -> None:
    settings = {"exclusive": ["game"]}
    decision = decided(timing, now, history, paused=control(paused), settings=settings, **changes)
    order = list(Reason)
    found = [finding.reason for finding in decision.findings]
    assert found == sorted(found, key=order.index)
    if decision.run:
        assert timing == "now" or not found
        assert all(order.index(reason) >= order.index(Reason.OUTSIDE_WINDOW) for reason in found)
    else:
        first = decision.findings[0]
        assert (decision.reason, decision.detail) == (first.reason, first.detail)
    for finding in decision.findings:
        assert finding.detail and "\n" not in finding.detail
        assert finding.next_check is None or finding.next_check >= now


@given(drawn, histories, moments)
def test_a_run_that_waits_for_the_night_never_works_against_owner_plug_or_window(
    changes: dict[str, Any], history: History, now: float
) -> None:
    told = {**CALM, **changes}
    if decided(now=now, history=history, **changes).run:
        window = window_at(night(), now)
        assert window and now < window.closes - STOP_S
        assert told["on_ac"] and told["idle_s"] >= 600 and not told["suspending"]
        assert told["gpu_programs"] == () and not told["presenting"]


@given(drawn, histories, moments, st.sampled_from(sorted(values)))
def test_to_know_less_never_lets_more_work_go_on_where_unknown_means_wait(
    changes: dict[str, Any], history: History, now: float, name: str
) -> None:
    if name in ("idle_s", "on_ac", "gpu_programs"):
        assert not decided(now=now, history=history, **{**changes, name: None}).run


@given(drawn, histories, moments)
def test_the_decision_is_a_function_of_what_it_is_given(
    changes: dict[str, Any], history: History, now: float
) -> None:
    assert decided(now=now, history=history, **changes) == decided(
        now=now, history=history, **changes
    )


def test_all_unknown_is_a_no_with_a_setting_that_overrides_it() -> None:
    nothing: Signal[Any] = Signal(None, "none", remark="no sensors")
    told = Signals(**{name: nothing for name in CALM})
    assert [finding.reason for finding in decided(told=told).findings] == [
        Reason.POWER_UNKNOWN, Reason.IDLE_UNKNOWN, Reason.GPU_UNKNOWN,
    ]  # fmt: skip
