"""Imports what a child process imports, for the server that forks them; see `forked_child`."""

from __future__ import annotations

import importlib
import os

# As a child has it: without a network, and threads that wait sleep.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

from nightschool.learning import libraries

libraries.load()
for name in (
    "nightschool.tasks.child", "nightschool.stages.queries", "nightschool.stages.run_stage",
    "nightschool.stages.compare", "nightschool.learning.trainer", "nightschool.jobs.pruning",
    "sklearn.linear_model", "scipy.stats", "matplotlib.figure",
    # What the main module of a test imports is imported again in each child.
    "nightschool.cli.status", "nightschool.cli.report", "nightschool.cli.classify", "rich.table",
        "tests.conftest", "tests.file_faults", "tests.forked_child",
):  # fmt: skip
    importlib.import_module(name)
