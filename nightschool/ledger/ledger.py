"""The ledger: the one record of what to do and of what was done. docs/ledger.md has its state diagrams."""

from __future__ import annotations

from nightschool.ledger.exposures import ExposureTable
from nightschool.ledger.forgettings import ForgettingTable
from nightschool.ledger.leases import LeaseTable
from nightschool.ledger.restoring import RestoringTable


class Ledger(LeaseTable, ExposureTable, ForgettingTable, RestoringTable):
    """An open ledger. Use it as a context manager; it belongs to the thread that opened it.

    Each public method is one transaction, and each base class owns the methods of its tables:

    - `runs`: `add_run`, `queue_retraining`, `raise_goal`, `cancel`, `retry`, and what there is to do
    - `leases`: `claim`, then `progress`, then `finish`, `interrupt` or `fail`; `take_over` after a crash
    - `attempts`: when work was done, and how long it took
    - `events`: the log of a run
    - `control`: `pause` and `resume`; the decisions of the policy, and `slept`
    - `promotions`: `promote` and `rollback`
    - `prunings`: what may be deleted, and what was
    - `artifacts`: the files that stages wrote
    - `forgettings`: what is being forgotten, and what was
    - `restoring`: runs from their files into a ledger that lacks them; damaged models
    - `exposures`: how often the test notes were answered

    Every method raises LedgerError if the file cannot be used.
    """
