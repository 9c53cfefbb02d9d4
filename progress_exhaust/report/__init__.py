"""From the input tables to report rows: each step takes DataFrames and gives one, and runs nothing."""
