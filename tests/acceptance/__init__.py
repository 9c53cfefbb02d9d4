"""The real command as its users run it. A package, so that its fixtures end with the last of its tests."""
