"""The options of `sample-data` that say how big its world is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from progress_exhaust.sample.world import WorldSize

_USUAL = WorldSize()


@dataclass(frozen=True, kw_only=True)
class WorldOptions:
    """How big the world is; the fields are those of `WorldSize`."""

    seed: Annotated[int, typer.Option(help="The same seed and sizes give the same world.")] = _USUAL.seed
    learners: Annotated[int, typer.Option(help="Learners of a batch.")] = _USUAL.learners
    batches: Annotated[int, typer.Option(help="Batches, dealt to the collections in turn.")] = _USUAL.batches
    collections: Annotated[int, typer.Option(help="Courses.")] = _USUAL.collections
    leaves: Annotated[int, typer.Option(help="Leaves of a course, assessments among them.")] = _USUAL.leaves
    nested: Annotated[int, typer.Option(help="Nested courses of a course.")] = _USUAL.nested
    depth: Annotated[int, typer.Option(help="Level of the deepest of them.")] = _USUAL.depth
    assessments: Annotated[int, typer.Option(help="Assessments of a course.")] = _USUAL.assessments
    attempts: Annotated[int, typer.Option(help="Attempts of a learner at each assessment.")] = _USUAL.attempts
    odd_share: Annotated[float, typer.Option(help="Share of odd rows, 0 to 1.")] = _USUAL.odd_share

    def size(self) -> WorldSize:
        """Return the world's size.

        Raises:
            SettingsError: there is no such world.
        """
        return WorldSize(**asdict(self))
