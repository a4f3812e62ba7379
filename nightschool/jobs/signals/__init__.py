"""Signals of the computer and its owner, for the policy."""
