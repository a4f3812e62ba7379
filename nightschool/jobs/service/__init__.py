"""What starts the worker when its owner logs in."""
