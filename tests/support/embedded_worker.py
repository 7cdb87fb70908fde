"""`python embedded_worker.py KIND CONFIG`: an embedded part's worker without a supervisor; SIGTERM stops it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from etld import config as configuration
from etld.embedded import main, postgres
from etld.errors import EtldError
from etld.worker import Addresses
from etld.worker.testing import LocalWorker


def run(kind: str, config_path: Path) -> int:
    """Run it to its end; prints "ready" once it is."""
    config = configuration.load(config_path)
    addresses = Addresses(
        http="",
        kafka=f"127.0.0.1:{config.kafka.embedded_port}",
        postgres=postgres.dsn(config.postgres.embedded_port, config.state_dir / "postgres.pass"),
        schema_registry="embedded",
        control="",
    )
    worker = LocalWorker(config, kind, kind, addresses)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    told_ready = worker.ready
    worker.ready = lambda: (told_ready(), print("ready", flush=True))  # type: ignore[method-assign,func-returns-value,assignment]
    try:
        {"embedded-kafka": main.run_kafka, "embedded-postgres": main.run_postgres}[kind](worker)
    except EtldError as error:
        print(error, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], Path(sys.argv[2])))
