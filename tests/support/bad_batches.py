"""Worlds of bad input that concerns single batches, by the ids of the contract's table."""

from __future__ import annotations

import json

from tests.support import bad_batches_refused as refused
from tests.support import bad_batches_rows as rows
from tests.support import bad_batches_trees as trees
from tests.support.bad_batch_case import DEEPEST, chain, one_batch
from tests.support.builders import batch, enrolment
from tests.worlds import World

CONTROL = "control"
CASES = {**rows.CASES, **trees.CASES, **refused.CASES}


def control() -> World:
    """Make two batches with which nothing is wrong, one of them with the deepest tree there may be."""
    plain = one_batch(CONTROL)
    deep = f"do-{CONTROL}-deep"
    tables = dict(plain.tables)
    tables["course_batch"] = [*tables["course_batch"], batch(f"{CONTROL}-deep", deep)]
    tables["user_enrolments"] = [*tables["user_enrolments"], enrolment(f"{CONTROL}-1", f"{CONTROL}-deep", deep)]
    return World(tables, {**plain.trees, deep: json.loads(chain(deep, DEEPEST))})
