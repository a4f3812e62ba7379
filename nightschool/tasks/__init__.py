"""The Huey app, the runner, and the child process with its protocol."""
