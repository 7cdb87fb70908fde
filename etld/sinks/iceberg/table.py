"""The table of an event type: opened, made, brought to its schema, and committed to."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Final

from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.table import Transaction
from pyiceberg.transforms import DayTransform, HourTransform, MonthTransform, Transform
from pyiceberg.types import PrimitiveType

from etld.sinks.base import Fenced
from etld.sinks.iceberg import layout as layouts
from etld.sinks.iceberg import positions
from etld.sinks.postgres.columns import ACCEPTED_AT
from etld.util.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyiceberg.catalog import Catalog
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.update.schema import UpdateSchema

    from etld.sinks.iceberg.layout import Layout, Step
    from etld.sinks.postgres.view_columns import ViewColumn

_TRANSFORMS: dict[str, Transform[Any, Any]] = {
    "hour": HourTransform(),
    "day": DayTransform(),
    "month": MonthTransform(),
}
_FIRST_FIELD = 1000
#: pyiceberg would put a commit that came too late behind the other one by itself: what its positions say, and whether
#: its events are new, is to be looked at again first.
NO_RETRIES: Final = {"commit.retry.num-retries": "0"}
#: Of a new table. Old metadata goes with each commit, but not what a standby that was behind may name; small manifests
#: are put together.
PROPERTIES: Final = {
    **NO_RETRIES,
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "50",
}
# Tries of a change of the table that others' commits come before.
_TRIES = 20


class LakeTable:
    """One table as one thread sees it; `wanted` and `aliases` are what the schema of the event type says.

    Raises whatever catalog and storage raise.
    """

    def __init__(
        self,
        open_catalog: Callable[[], Catalog],
        name: tuple[str, str],
        wanted: Layout,
        aliases: Mapping[str, Sequence[str]],
        partitioning: str = "day",
    ) -> None:
        self._open = open_catalog
        self._name = name
        self._wanted = wanted
        self._aliases = aliases
        self._partitioning = partitioning
        self._catalog: Catalog | None = None

    def again(self) -> LakeTable:
        """The same for another thread."""
        return LakeTable(self._open, self._name, self._wanted, self._aliases, self._partitioning)

    @property
    def title(self) -> str:
        """Such as etld.event_purchase."""
        return ".".join(self._name)

    def load(self) -> Table:
        """The table as it is now."""
        return self._its_catalog().load_table(self._name)

    def ensure(self, made: Callable[[str], None] = lambda _: None) -> Table:
        """The table as it is now, made where there is none, with the columns that the schema wants.

        `made` is told what is changed.
        """
        try:
            table = self.load()
        except NoSuchTableError:
            table = self._create()
            made(f"the table {self.title} of the lake is made")
        backoff = Backoff(0.05, 1.0)
        for _ in range(_TRIES):
            columns, steps = layouts.follow(
                columns_of(table), self._wanted.columns, self._aliases, table.schema().column_names
            )
            if not steps:
                return table
            try:
                self._change(table, columns, steps)
            except CommitFailedException:
                time.sleep(backoff.next())
            else:
                names = ", ".join(sorted({one.column.name for one in steps}))
                made(f"the table {self.title} of the lake follows its schema: {names}")
            table = self.load()
        raise Fenced(f"others change the table {self.title} all the time")

    def commit(self, table: Table, added: Sequence[DataFile], carried: str) -> None:
        """Add files in a snapshot that carries these positions, provided that `table` is the newest state.

        Raises `CommitFailedException` when another commit came before; after any other error it may have happened.
        """
        with one_snapshot(table) as transaction:
            with transaction.update_snapshot(snapshot_properties={positions.KEY: carried}).merge_append() as snapshot:
                for file in added:
                    snapshot.append_data_file(file)
            transaction.set_properties(remembered(table, carried))

    def note(self, properties: Mapping[str, str]) -> None:
        """Set properties of the table."""
        backoff = Backoff(0.05, 1.0)
        for _ in range(_TRIES):
            table = self.load()
            table.metadata.properties.update(NO_RETRIES)
            try:
                with table.transaction() as transaction:
                    transaction.set_properties(dict(properties))
            except CommitFailedException:
                time.sleep(backoff.next())
            else:
                return

    def close(self) -> None:
        """Give the catalog up; the next call opens it anew."""
        catalog, self._catalog = self._catalog, None
        if catalog is not None:
            catalog.close()

    def _its_catalog(self) -> Catalog:
        if self._catalog is None:
            self._catalog = self._open()
        return self._catalog

    def _create(self) -> Table:
        catalog = self._its_catalog()
        with contextlib.suppress(NamespaceAlreadyExistsError):
            catalog.create_namespace(self._name[0])
        schema = self._wanted.schema()
        properties = {**PROPERTIES, layouts.KEY: self._wanted.text()}
        try:
            return catalog.create_table(
                self._name,
                schema,
                partition_spec=_spec(schema.find_field(ACCEPTED_AT).field_id, self._partitioning),
                properties=properties,
            )
        except TableAlreadyExistsError:
            return self.load()

    def _change(self, table: Table, columns: Sequence[ViewColumn], steps: Sequence[Step]) -> None:
        """Take the steps, and say so in the table's property, at once."""
        table.metadata.properties.update(NO_RETRIES)
        text = layouts.Layout(tuple(columns), {}).text()
        with table.transaction() as transaction:
            transaction.set_properties({layouts.KEY: text})
            # What makes room comes first: a new column may have the name of an old one.
            for some in ([one for one in steps if one.what != "add"], [one for one in steps if one.what == "add"]):
                if some:
                    with transaction.update_schema() as update:
                        for step in some:
                            self._take(update, step)

    def _take(self, update: UpdateSchema, step: Step) -> None:
        kind = layouts.type_of(step.column.type)
        if step.what == "add":
            update.add_column(step.column.name, kind, doc=self._wanted.doc(step.column))
        elif step.what == "rename":
            update.rename_column(step.name, step.column.name)
        else:
            assert isinstance(kind, PrimitiveType)
            update.update_column(step.name, kind)


class _OneSnapshot(Transaction):
    """A commit of one snapshot, and of properties that it does not depend on.

    pyiceberg's own makes the table's metadata anew at each of some fifteen looks at it, with a copy of every snapshot.
    """

    @property
    def table_metadata(self) -> TableMetadata:
        """As it was before."""
        return self._table.metadata


def one_snapshot(table: Table) -> Transaction:
    """What commits a snapshot on top of just this state of the table."""
    table.metadata.properties.update(NO_RETRIES)
    return _OneSnapshot(table)


def remembered(table: Table, carried: str) -> dict[str, str]:
    """The properties that tell the positions of the snapshot that comes next, for when it has expired."""
    return {positions.KEY: carried, positions.SEQUENCE: str(table.metadata.next_sequence_number())}


def columns_of(table: Table) -> tuple[ViewColumn, ...]:
    """The columns of a table that are made of fields."""
    return layouts.parsed(table.metadata.properties.get(layouts.KEY, "[]"))


def _spec(accepted_at: int, partitioning: str) -> PartitionSpec:
    transform = _TRANSFORMS.get(partitioning)
    if transform is None:
        return PartitionSpec()
    return PartitionSpec(PartitionField(accepted_at, _FIRST_FIELD, transform, f"{ACCEPTED_AT}_{partitioning}"))
