"""Signals of the computer and its use, for the policy."""
