"""The scorer, the cheap baselines, a model server as an arm, and the decision. Runs in child processes only."""
