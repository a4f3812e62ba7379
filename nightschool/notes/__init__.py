"""Reading notes, counting them, and freezing them into a dataset."""
