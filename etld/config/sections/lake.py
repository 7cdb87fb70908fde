"""The lake: the events as Apache Iceberg tables, for engines that know no limit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from etld.config.sections.base import (
    Duration,
    OptionalFile,
    PositiveDuration,
    Section,
    Size,
    Workers,
    at_least,
    quantity,
)
from etld.config.sections.storage import Retention
from etld.config.units import FOREVER

#: What one partition of a table of the lake holds, by accepted_at.
Partitioning = Literal["hour", "day", "month", "none"]
#: Catalogs as pyiceberg calls them, and etld's own.
CatalogKind = Literal["embedded", "rest", "glue", "hive", "sql"]


class LakeSection(Section):
    """The lake: each event type as a table of Apache Iceberg."""

    enabled: bool = Field(False, description="Are events written to the lake?")
    catalog: CatalogKind = Field(
        "embedded",
        description='Who knows the tables: "embedded" (rows in PostgreSQL), "rest", "glue", "hive" or "sql".',
    )
    properties: dict[str, str | int | bool] = Field(
        {}, description="Properties of the catalog and of its files, by pyiceberg's own names."
    )
    credentials_file: OptionalFile = Field(
        None, description='More such properties, which are secret: one line "name = value" each.'
    )
    warehouse: str = Field(
        "", description='Where the files are, such as "s3://bucket/path"; "" means the folder lake in state_dir.'
    )
    namespace: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")] = Field(
        "etld", description="The namespace of the tables."
    )
    workers: Workers = Field(1, description="Processes for each event type.")
    commit_every: PositiveDuration = quantity("60 s", "An event waits at most about so long for its commit.")
    commit_bytes: Annotated[Size, at_least(1 << 20, "1 MiB")] = quantity(
        "64 MiB", "As soon as so much of one event type waits, it is committed; it is in memory until then."
    )
    target_file: Annotated[Size, at_least(1 << 20, "1 MiB")] = quantity(
        "128 MiB", "Small files are put together into files of about this size."
    )
    partitioning: Partitioning = Field("day", description="What one partition of a table holds, by accepted_at.")
    keep_snapshots: Annotated[Duration, at_least(3600, "1 h")] = quantity(
        "5 d", "Older states of a table can be read for so long."
    )
    hold_partitions: bool = Field(
        False, description="Does a partition of processed_events stay in PostgreSQL until the lake has all of it?"
    )
    retention: Retention = quantity(
        FOREVER, 'Events are in the lake for so long after Kafka took them; "forever": for ever.'
    )

    @property
    def is_embedded(self) -> bool:
        """Does PostgreSQL know the tables?"""
        return self.catalog == "embedded"
