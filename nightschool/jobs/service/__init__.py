"""The service that starts the worker at login."""
