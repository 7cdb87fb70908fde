"""What /openapi.json says is what the server does: schemathesis against the running worker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.ingest import Start

#: Cases an operation; the full run of 2,000 cases and more: ETLD_SCHEMATHESIS=400.
EXAMPLES = int(os.environ.get("ETLD_SCHEMATHESIS", "25"))
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_schemathesis(start: Start) -> None:
    ingest = start()
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"http://127.0.0.1:{ingest.port}/openapi.json",
        f"--max-examples={EXAMPLES}",
        f"--checks={CHECKS}",
        "--seed=8",
        "--mode=all",
        "--phases=examples,coverage,fuzzing",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
