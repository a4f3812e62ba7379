"""Connected components of a graph, by union-find."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


class Components:
    """Union-find over 0 to n - 1 that relabels the smaller component: O(n log n) in total."""

    def __init__(self, n: int) -> None:
        self.label: NDArray[np.int64] = np.arange(n)  # equal within a component
        self._members: dict[int, list[int]] = {}

    def join(self, one: int, other: int) -> None:
        keep, drop = int(self.label[one]), int(self.label[other])
        if keep == drop:
            return
        kept, dropped = self._members.pop(keep, [keep]), self._members.pop(drop, [drop])
        if len(kept) < len(dropped):
            keep, kept, dropped = drop, dropped, kept
        self.label[dropped] = keep
        kept += dropped
        self._members[keep] = kept

    def join_all(self, groups: Iterable[Sequence[int]]) -> None:
        """Join the members of each group; groups are not empty."""
        for group in groups:
            for other in group[1:]:
                self.join(group[0], other)

    def groups(self) -> list[list[int]]:
        """The components with two or more members; members and groups in ascending order."""
        return sorted(sorted(members) for members in self._members.values())
