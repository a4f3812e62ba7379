"""The desktop session: message buses, sleep, inhibitor locks and notifications."""
