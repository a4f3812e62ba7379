"""What is to be done and what was done: a state machine over SQLite."""
