"""The scheduled task, checked against the schema's element order."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from nightschool.jobs.service.task_scheduler import NAMESPACE, TaskScheduler
from nightschool.jobs.service.worker_command import WorkerCommand

# Children that each type may have. "all": in any order, at most once; "sequence": in this order.
# Source: MicrosoftDocs/win32, desktop-src/TaskSchd/taskschedulerschema-*type-complextype.md, the
# same as [MS-TSCH] 2.5; a derived trigger type's sequence comes after its base type's.
SCHEMA = {
    "Task": "all RegistrationInfo Triggers Settings Data Principals Actions",
    "Task/RegistrationInfo": "all URI SecurityDescriptor Source Date Author Version Description "
    "Documentation",
    "Task/Triggers": "all LogonTrigger",
    "Task/Triggers/LogonTrigger": "sequence Enabled StartBoundary EndBoundary Repetition "
    "ExecutionTimeLimit UserId Delay",
    "Task/Triggers/LogonTrigger/Repetition": "all Interval Duration StopAtDurationEnd",
    "Task/Principals": "sequence Principal",
    "Task/Principals/Principal": "all UserId LogonType GroupId DisplayName RunLevel "
    "ProcessTokenSidType RequiredPrivileges",
    "Task/Settings": "all AllowStartOnDemand RestartOnFailure MultipleInstancesPolicy "
    "DisallowStartIfOnBatteries StopIfGoingOnBatteries AllowHardTerminate StartWhenAvailable "
    "NetworkProfileName RunOnlyIfNetworkAvailable WakeToRun Enabled Hidden "
    "DeleteExpiredTaskAfter IdleSettings NetworkSettings ExecutionTimeLimit Priority "
    "RunOnlyIfIdle UseUnifiedSchedulingEngine DisallowStartOnRemoteAppSession",
    "Task/Actions": "sequence Exec",
    "Task/Actions/Exec": "sequence Command Arguments WorkingDirectory",
}


def check_against_schema(element: ET.Element, path: str) -> None:
    children = [child.tag.removeprefix(f"{{{NAMESPACE}}}") for child in element]
    if not children:
        assert path not in SCHEMA and element.text, path
        return
    order, *known = SCHEMA[path].split()
    assert set(children) <= set(known) and len(set(children)) == len(children), path
    if order == "sequence":
        assert children == sorted(children, key=known.index), path
    for child, name in zip(element, children, strict=True):
        check_against_schema(child, f"{path}/{name}")


def test_task_follows_the_schema(awkward: WorkerCommand, tmp_path: Path) -> None:
    backend = TaskScheduler()
    file = tmp_path / "task.xml"
    file.write_text(backend.render(awkward), encoding=backend.encoding)
    assert file.read_bytes()[:2] in (b"\xff\xfe", b"\xfe\xff")
    task = ET.fromstring(
        file.read_bytes()
    )  # expat uses the byte order mark and the declared encoding
    assert task.tag == f"{{{NAMESPACE}}}Task" and task.get("version") == "1.2"
    check_against_schema(task, "Task")
    space = {"t": NAMESPACE}
    principal, actions = task.find(".//t:Principal", space), task.find("t:Actions", space)
    assert principal is not None and actions is not None
    assert principal.get("id") == actions.get("Context")
    assert [user.text for user in task.iterfind(".//t:UserId", space)] == ["PC\\花子"] * 2
    assert task.findtext(".//t:LogonType", None, space) == "InteractiveToken"
    assert task.findtext(".//t:RunLevel", None, space) == "LeastPrivilege"
    assert task.findtext(".//t:DisallowStartIfOnBatteries", None, space) == "false"


def test_task_opens_no_window(tmp_path: Path) -> None:
    python = tmp_path / "python.exe"
    python.touch()
    text = TaskScheduler().render(WorkerCommand(tmp_path, python))
    assert f"<Command>{python}</Command>" in text
    quiet = tmp_path / "pythonw.exe"
    quiet.touch()
    assert f"<Command>{quiet}</Command>" in TaskScheduler().render(WorkerCommand(tmp_path, python))
