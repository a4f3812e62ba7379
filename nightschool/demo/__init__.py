"""The demo: a school in minutes, on the notes and the base model that ship with nightschool."""
