"""The Huey app, the child processes it runs stages in, and the stages."""
