"""Child processes without four seconds of imports each: a server that has imported everything forks them.

They are processes of their own with real pipes, for `tasks.process.Child` and `nightschool.tasks.child`.
The server has neither threads nor an open ledger, so forking it is safe.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.reduction import DupFd
from types import SimpleNamespace
from typing import Any, NoReturn

from nightschool.tasks import process

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tests.loaded_libraries"])
Fault = Callable[[], object]
"""Called in a child before anything else; it must be picklable."""


def no_fault() -> None: ...


class ForkedChild:
    """What `subprocess.Popen` is for `tasks.process.Child`."""

    def __init__(self, stderr: Any, fault: Fault, context: Any = SERVER) -> None:
        to_child, to_parent = os.pipe(), os.pipe()
        used = (to_child[0], to_parent[1], stderr.fileno())
        handles = used if context is not SERVER else [DupFd(each) for each in used]
        self._process = context.Process(target=_be_child, args=(handles, fault))
        self._process.start()
        os.close(to_child[0])
        os.close(to_parent[1])
        self.stdin = os.fdopen(to_child[1], "wb", buffering=0)
        self.stdout = os.fdopen(to_parent[0], "rb")
        self.pid = self._process.pid
        self.returncode: int | None = None  # until `wait`, as Popen's

    def wait(self) -> int | None:
        self._process.join()
        self.returncode = self._process.exitcode
        return self.returncode

    def kill(self) -> None:
        self._process.kill()


def _be_child(handles: Sequence[Any], fault: Fault) -> NoReturn:
    from nightschool.tasks import child

    for number, handle in enumerate(handles):
        os.dup2(handle if isinstance(handle, int) else handle.detach(), number)
    os.closerange(3, 256)
    try:
        fault()
        child.main()
    finally:
        os._exit(99)


def fork_children() -> None:
    """From now on, `tasks.process.Child` forks this process, which has the libraries and no open ledger."""
    context = multiprocessing.get_context("fork")
    start = lambda command, stderr, **_: ForkedChild(stderr, no_fault, context)  # noqa: E731
    vars(process)["subprocess"] = SimpleNamespace(PIPE=subprocess.PIPE, Popen=start)


@contextmanager
def forked_children(fault: Fault = no_fault) -> Iterator[None]:
    """Within this context, `tasks.process.Child` forks; each child begins with `fault`."""
    real = vars(process)["subprocess"]
    start = lambda command, stderr, **_: ForkedChild(stderr, fault)  # noqa: E731
    vars(process)["subprocess"] = SimpleNamespace(PIPE=subprocess.PIPE, Popen=start)
    try:
        yield
    finally:
        vars(process)["subprocess"] = real
