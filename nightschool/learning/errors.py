"""Why a stage that learns or scores cannot go on."""


class LearningError(Exception):
    """One line: what is wrong, where, and what to do. Trying again would not change it."""


class Stopped(Exception):
    """The owner's wish to stop was heard; what was under way is done again later."""


class DeviceBusy(Exception):
    """Another process trains on the device; trying again later helps."""


def first_line(error: Exception) -> str:
    """What a library's error says, short enough to be part of one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
