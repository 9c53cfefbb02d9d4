"""The engine: selects batches, plans, computes in waves, publishes."""
