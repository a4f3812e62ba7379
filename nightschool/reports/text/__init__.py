"""The words of a report: in the terminal, on the page and in notifications."""
