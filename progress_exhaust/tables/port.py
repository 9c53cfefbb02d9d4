"""What the rest of the job asks of a source of tables."""

from __future__ import annotations

from typing import Protocol

from pyspark.sql import DataFrame

from progress_exhaust.tables.schemas import Table
from progress_exhaust.tables.strategy import ReadStrategy, WantedKeys


class Tables(Protocol):
    """Gives input tables as DataFrames with exactly the columns of their schema.

    A table that may be missing counts as empty, and a column that the source does not have reads as null, unless it
    must be there.
    """

    def frame(self, table: Table) -> DataFrame:
        """Return the table, lazily; rows with a null or empty key part are still in it.

        Raises:
            DataShapeError: the table, or a column that must be there, is missing, or a column has another type.
            SourceError: the source does not answer.
        """

    def read(self, table: Table, keys: DataFrame, wanted: WantedKeys) -> DataFrame:
        """Return the rows of the table with one of the keys, and perhaps all others, lazily.

        What is read by key is kept, to be released with everything that is.

        Args:
            table: one with `known` columns.
            keys: has these columns; the same key may stand in it several times, a null or empty one is not looked up.
            wanted: how many different keys there are, or a little more.

        Raises:
            DataShapeError: as `frame` does.
            SourceError: the source does not answer.
        """

    def reading(self, table: Table, wanted: WantedKeys) -> ReadStrategy:
        """Return how `read` reads the table when so many keys are wanted, and why; no row is read.

        Raises:
            DataShapeError: the table is missing.
            SourceError: the source does not answer.
        """

    def exists(self, table: Table) -> bool:
        """Return whether the source has the table.

        Raises:
            SourceError: the source does not answer.
        """

    def absent_columns(self, table: Table) -> tuple[str, ...]:
        """Return the columns of the schema that the source's table lacks, if only in part; none of a missing table.

        Raises:
            DataShapeError: the table is missing, and must be there.
            SourceError: the source does not answer.
        """

    def check(self) -> None:
        """Do one cheap call.

        Raises:
            SourceError: the source does not answer.
        """
