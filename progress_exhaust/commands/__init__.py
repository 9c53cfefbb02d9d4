"""One module a command, or a few: its work and its summary."""
