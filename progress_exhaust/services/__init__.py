"""One module a command: each wires the rooms below for what that command does."""
