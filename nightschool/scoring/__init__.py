"""Scoring notes, the cheap baselines, metrics and statistics. Runs in child processes only."""
