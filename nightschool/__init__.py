"""nightschool: idle nights turn a person's notes into a small model that sorts notes."""
