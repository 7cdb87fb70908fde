"""What /openapi.json says is what the server does: schemathesis against the running worker."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

from support.ingest import Ingest, Start

#: Whatever is sent, and kept when it is invalid.
ANSWERS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance"
)
CASES = 1000
# A broker on a busy machine may stand still for longer than the 5 s after which the answer is 503.
PATIENT = "60 s"


def run(ingest: Ingest, directory: Path, *options: str) -> int:
    """Let schemathesis find something; how many cases it tried."""
    # What is sent is not compressed, so the header must not say it were; a batch refuses its events one by one.
    settings = directory / "schemathesis.toml"
    settings.write_text(
        '[parameters]\n"header.Content-Encoding" = "identity"\n'
        '[checks.negative_data_rejection]\nexpected-statuses = ["4xx", 207]\n'
    )
    command = [str(Path(sys.executable).with_name("schemathesis")), f"--config-file={settings}", "run", *options]
    command += [f"http://127.0.0.1:{ingest.port}/openapi.json", "--seed=8", "--phases=examples,coverage,fuzzing"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    found = re.search(r"(\d+) generated", done.stdout)
    assert found, done.stdout[-3000:]
    return int(found[1])


def test_answers_are_as_described(start: Start, tmp_path: Path) -> None:
    assert run(start(ack_timeout=PATIENT), tmp_path, f"--checks={ANSWERS}", "--max-examples=55") >= CASES


def test_all_checks_with_keys_and_reject(start: Start, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[a]\nsha256="{hashlib.sha256(b"one").hexdigest()}"\n')
    ingest = start(invalid="reject", ack_per_request="true", keys_file=str(keys), ack_timeout=PATIENT)
    # 301.0 is an integer for JSON Schema and none for Avro: what the schema takes may be refused.
    checks = ("--checks=all", "--exclude-checks=positive_data_acceptance")
    assert run(ingest, tmp_path, *checks, "--max-examples=25", "-HX-Write-Key: one") > 100
