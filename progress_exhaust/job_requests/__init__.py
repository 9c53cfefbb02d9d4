"""Requests for reports: what they mean, their legal moves, and the queue they stand in."""
