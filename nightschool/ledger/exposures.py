"""The ledger's table `test_exposures`: each evaluation of test notes whose result could be seen."""

from __future__ import annotations

from nightschool.ledger.records import Answerer, TestExposure, exposure_of
from nightschool.ledger.store import Store


class ExposureTable(Store):
    """Records and lists test exposures."""

    def record_exposure(
        self,
        run: int,
        answerer: Answerer,
        dataset: str,
        test: str,
        *,
        seed: int | None = None,
        model_run: int | None = None,
    ) -> None:
        """Record that a dataset's test notes were answered, once for each run and answerer.

        `test` is the fingerprint of the test notes; `seed` is that of the adapter, if the run trains
        several; `model_run` is the run that trained the champion.
        """
        with self._transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO test_exposures "
                "(at, run, answerer, seed, model_run, dataset, test) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (self._clock(), run, answerer, seed, model_run, dataset, test),
            )

    def exposures(self) -> list[TestExposure]:
        """Every test exposure, oldest first."""
        rows = self._rows("SELECT * FROM test_exposures ORDER BY id")
        return [exposure_of(row) for row in rows]
