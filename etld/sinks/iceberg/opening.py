"""The lake of a worker's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.schemas.catalog import of_registered
from etld.sinks.iceberg import layout
from etld.sinks.iceberg.catalog import open_catalog
from etld.sinks.iceberg.known_ids import TableIds
from etld.sinks.iceberg.sink import IcebergSink, Side
from etld.sinks.iceberg.table import LakeTable
from etld.sinks.iceberg.writer import CommitWatch
from etld.sinks.postgres import sink as postgres
from etld.sinks.postgres.view_columns import view_name

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

    from etld.sinks.base import Consumer
    from etld.sinks.iceberg.mirror import LakeState
    from etld.worker import Worker


def open_sink(worker: Worker, consumer: Consumer) -> IcebergSink:
    """The table of the worker's event type; raises `EtldError` before its schema is registered."""
    side = Side(postgres.open_sink(worker, consumer), worker.event_type or "", worker.beat)
    return IcebergSink(open_table(worker), consumer, lambda: known_ids(worker), side, WorkerWatch(worker))


def known_ids(worker: Worker, purpose: str = "") -> TableIds:
    """The memory of a worker's writer, or of another `purpose`; what an earlier process has left is put away."""
    directory = worker.config.state_dir / "lake-ids" / f"{worker.name}{purpose and '-'}{purpose}"
    for old in directory.glob("*.ids"):
        old.unlink(missing_ok=True)
    return TableIds(worker.config.storage.dedup_window, directory)


class WorkerWatch(CommitWatch):
    """Counts what a worker commits."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def committed(self, state: LakeState) -> None:
        """See `CommitWatch`."""
        table = state.name
        self._worker.gauge("lake_rows", state.rows, table=table)
        self._worker.gauge("lake_files", state.files, table=table)
        self._worker.gauge("lake_bytes", state.bytes, table=table)
        self._worker.gauge("lake_snapshots", state.snapshots, table=table)
        if state.seconds is not None:
            self._worker.observe("lake_commit_seconds", state.seconds)
        if state.newest is not None:
            self._worker.gauge("lake_newest_timestamp_seconds", state.newest / 1e6, table=table)

    def conflict(self) -> None:
        """See `CommitWatch`."""
        self._worker.count("lake_commit_conflicts")


def open_table(worker: Worker) -> LakeTable:
    """The table of the worker's event type in the lake."""
    config = worker.config
    assert worker.event_type is not None
    top = of_registered(config).types[worker.event_type].schema.tree

    def catalog() -> Catalog:
        return open_catalog(config, worker.addresses.postgres)

    name = (config.lake.namespace, view_name(worker.event_type))
    return LakeTable(catalog, name, layout.Layout.of(top), layout.aliases_of(top), config.lake.partitioning)
