"""The before/after report of a run: verdict, charts, one HTML page, tables for the terminal."""
