"""The Spark session: how it starts, what it encrypts, where its temporary files lie."""
