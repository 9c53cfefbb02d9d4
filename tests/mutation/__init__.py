"""Small faults put into the pure rooms one at a time, to see whether a test of `tests/unit` notices each.

`python -m tests.mutation --seed 1 --changes 40` draws changes by seed (`changes.py`), runs the tests that stand nearest
to each changed module first, then all others of `tests/unit` that can meet it (`rooms.py`, `trial.py`), and says
which changes no test has noticed. Some can not be noticed: `equal.toml` names those, with the reason. Ten minutes to
half an hour: seconds for a change that is noticed, up to all of `tests/unit` for one that is not.

Why not mutmut or cosmic-ray: both work through all changes of the files that they are given, thousands here, with one
command of tests for all, and know an equal change by a mark in the code or not at all. What is wanted is a handful by
seed, the tests nearest to each, and reasons kept beside the tests; that is less code than their set-up would be.
"""
