"""The input tables as DataFrames: their schemas, and two sources that give them."""
