"""The catalogue behind the content service."""
