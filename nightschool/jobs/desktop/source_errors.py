"""Why a source of information on this computer gave no answer."""

from __future__ import annotations

from nightschool.config.errors import NightschoolError


class SourceError(NightschoolError):
    """A source gave no usable answer; the message is one line."""


class AbsentError(SourceError):
    """The source does not exist on this computer, or does not support the question."""


class RefusedError(SourceError):
    """The source answered with an error."""


class UnsupportedError(RefusedError, AbsentError):
    """The source answered that it does not have the object, method or property."""
