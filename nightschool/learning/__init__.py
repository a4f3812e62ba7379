"""Loading, precision, encoding, training and checkpoints. Runs in child processes only."""
