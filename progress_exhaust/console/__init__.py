"""What a command shows and logs, and the signals that stop it."""
