"""One CSV per batch of a course: who is enrolled, how far each learner is, and how well they did."""

__version__ = "0.1.0"
