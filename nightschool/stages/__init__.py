"""The stages of a run and the queries that a child process answers."""
