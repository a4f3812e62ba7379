"""The ledger: what to do and what was done, as a state machine over SQLite."""
