"""Random worlds with what is expected of them, to count how often each oddity occurs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.reference import ExpectedReport, expected_reports
from tests.reference.tree import Node, Walk, everything_below, read_tree
from tests.worlds import World, random_world

SEEDS = range(200)
ENOUGH = 5


@dataclass(frozen=True)
class Seen:
    """One world with what is expected of it.

    Attributes:
        roots: the trees that reports are made from.
        places: all places below these roots.
    """

    world: World
    reports: dict[str, ExpectedReport]
    roots: list[Node]
    places: list[Node]

    def column(self, table: str, column: str) -> list[Any]:
        """Give the values of a column, null where a row lacks it."""
        return [row.get(column) for row in self.world.rows(table)]

    def made(self) -> list[ExpectedReport]:
        """Give the reports that are made."""
        return [report for report in self.reports.values() if not report.not_made]

    def cells(self, *columns: str) -> list[str]:
        """Give the cells of all rows in the columns whose names end so."""
        lines = [zip(report.header, line, strict=True) for report in self.made() for line in report.cells]
        return [cell for line in lines for name, cell in line if name.endswith(columns)]


@cache
def seen(seed: int) -> Seen:
    """Look at the world of a seed, once."""
    world = random_world(seed)
    reports = expected_reports(world)
    batches = {row.get("batchid"): row["courseid"] for row in world.rows("course_batch") if row.get("courseid")}
    used = {batches[key] for key, report in reports.items() if not report.not_made}
    roots = [read_tree(world.trees[collection]["result"]["content"], Walk(64, 100_000)) for collection in sorted(used)]
    return Seen(world, reports, roots, [node for root in roots for node in everything_below(root)])
