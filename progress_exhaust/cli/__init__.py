"""The signatures of the commands."""
