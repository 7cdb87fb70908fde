"""More connections than the process may have open files at first."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.events import event
from support.ingest import ROOT

# A process of its own: a hard limit cannot be taken back, and the clients need files too.
SERVER = """
import logging, resource, sys
from pathlib import Path
kafka, directory, hard = sys.argv[1:]
logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
from support.ingest import running
resource.setrlimit(resource.RLIMIT_NOFILE, (150, int(hard)))
with running(kafka, Path(directory), max_connections="400") as ingest:
    print(ingest.port, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(("hard", "warnings"), [(1000, 0), (250, 1)])
def test_every_connection_is_answered(kafka: str, tmp_path: Path, hard: int, warnings: int) -> None:
    with (
        subprocess.Popen(
            [sys.executable, "-c", SERVER, kafka, str(tmp_path / "state"), str(hard)],
            cwd=ROOT / "tests",
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PATH": "/usr/bin:/bin"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as server,
        ExitStack() as stack,
    ):
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stderr is not None
        stack.callback(server.kill)
        port = int(server.stdout.readline())
        for _ in range(350):
            held = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            stack.callback(held.close)
            held.request("POST", "/track", json.dumps(event()))
            answer = held.getresponse()
            answer.read()
            assert answer.status == 200
        server.stdin.close()
        log = server.stderr.read()
        assert log.count("limit of open files") == warnings, log
