"""The role's entry point."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etld.worker import Worker


def run(worker: Worker) -> None:
    """Keep, repair, send back and park dead letters until the worker stops."""
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    from etld import stream
    from etld.corrector.intake import Intake
    from etld.corrector.post import Post
    from etld.corrector.workshop import Workshop
    from etld.deadletters import lifecycle
    from etld.errors import EtldError
    from etld.kafka.settings import client_settings
    from etld.postgres import connections
    from etld.schemas.registry import open_registry
    from etld.schemas.registry.cache import SchemaCache
    from etld.stream.link import Options

    config = worker.config

    def connect() -> connections.Connection:
        assert worker.addresses.postgres is not None
        return connections.connect(
            worker.addresses.postgres,
            password=worker.config.secret("postgres"),
            application_name=f"etld {worker.name} workshop",
            connect_timeout=worker.config.postgres.connect_timeout,
            statement_timeout=worker.config.postgres.statement_timeout,
            lock_timeout=5.0,
            queue=True,
        )

    def tick() -> None:
        workshop.tick()

    post = Post(client_settings(config, worker.addresses), tick)
    workshop = Workshop(config, connect, post, SchemaCache(open_registry(config, worker.addresses)))

    resumes = worker.resumes

    def look() -> None:
        nonlocal resumes
        if not workshop.alive():
            raise EtldError("the workshop stands still: the worker starts anew")
        workshop.paused = worker.paused
        workshop.cluster_id = intake.cluster_id
        if resumes != worker.resumes:
            resumes = worker.resumes
            workshop.close_breaker()
        worker.fault("corrector", workshop.problem)
        worker.fault("letters", post.problem)
        worker.fault("breaker", workshop.held)
        if workshop.counts is not None:
            worker.totals("dead_letters", lifecycle.totals(workshop.counts))
            for state, number in lifecycle.by_state(workshop.counts).items():
                worker.gauge("dead_letters", number, state=state)

    intake = Intake(worker, workshop, look)
    worker.on_reload = workshop.reload
    workshop.start()
    try:
        stream.run(worker, intake, Options(5000, 16 * 1024 * 1024, 0.02))
    finally:
        workshop.stop(8.0)
