"""`python embedded_worker.py KIND CONFIG`: an embedded part's worker without a supervisor; SIGTERM stops it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from etld import config as configuration
from etld.embedded import main
from etld.errors import EtldError
from etld.supervisor.network import addresses
from etld.worker.testing import LocalWorker


def run(kind: str, config_path: Path) -> int:
    """Run it to its end; prints "ready" once it is."""
    config = configuration.load(config_path)
    addresses.make_directories(config)
    addresses.make_kafka_passfile(config)
    where = addresses.resolve(config, addresses.choose_ports(config))
    worker = LocalWorker(config, kind, kind, where)
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
