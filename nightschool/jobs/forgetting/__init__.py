"""Forgetting notes: what is selected, where its traces are, and how they are erased."""
