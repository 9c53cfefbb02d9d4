"""The output place: private staging, and moves that make a file appear whole or not at all."""
