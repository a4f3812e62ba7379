"""What the computer and its owner are doing, as far as that can be known."""
