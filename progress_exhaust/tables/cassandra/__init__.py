"""The tables in Cassandra."""
