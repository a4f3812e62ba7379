"""The kind that means "none of the above"."""

from __future__ import annotations

from collections.abc import Sequence

from nightschool.config.kind_settings import same_kind

# In order of preference; compared without regard to case and width.
NAMES = (
    "none", "none of the above", "none of these", "no kind", "other", "others", "misc",
    "miscellaneous", "out of scope", "どれでもない", "該当なし", "なし", "その他",
)  # fmt: skip


def none_kind(kinds: Sequence[str], configured: str = "") -> str | None:
    """The kind that means "none of the above": the configured one (`notes.none`), else one of `NAMES`.

    It is spelled as in `kinds`; a configured kind that `kinds` lacks is returned as configured.
    """
    spelling = {same_kind(kind): kind for kind in kinds}
    if configured:
        return spelling.get(same_kind(configured), configured)
    return next((spelling[name] for name in NAMES if name in spelling), None)


def unused_none_warning(kinds: Sequence[str], configured: str) -> str:
    """A warning if no note is of the configured kind (`notes.none`); "" if there are some."""
    if none_kind(kinds, configured) in (None, *kinds):
        return ""
    return (
        f'notes.none = "{configured}", but no note is of that kind, so it cannot be measured: '
        "`nightschool label` proposes some"
    )
