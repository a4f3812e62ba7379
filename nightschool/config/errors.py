"""What is wrong with a school's settings or its place."""


class ConfigError(Exception):
    """One line: what is wrong, where, and what to do. The command line exits with 2."""
