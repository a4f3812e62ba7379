"""The LaunchAgent's keys."""

from __future__ import annotations

import plistlib

from nightschool.jobs.service.launchd import LaunchAgent
from nightschool.jobs.service.worker_command import WorkerCommand


def test_agent_has_the_keys_that_launchd_needs(awkward: WorkerCommand) -> None:
    agent = plistlib.loads(LaunchAgent().render(awkward).encode("utf-8"))
    assert agent["Label"] == awkward.name
    assert agent["ProgramArguments"] == awkward.command("--log", str(awkward.log))
    assert agent["RunAtLoad"] is True
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["Nice"] == 10 and agent["LowPriorityIO"] is True
    assert agent["EnvironmentVariables"]["PYTHONUTF8"] == "1"
    assert agent["StandardErrorPath"] == str(awkward.log)
