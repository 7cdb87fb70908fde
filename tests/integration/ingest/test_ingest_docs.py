"""What docs/ingest.md shows works as it stands there, but for the port."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from support.events import event
from support.ingest import ROOT, Ingest


def examples(language: str, ingest: Ingest) -> list[str]:
    """The page's blocks in a language, for this server."""
    page = ROOT.joinpath("docs/ingest.md").read_text()
    found = re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [text.replace("localhost:8080", f"127.0.0.1:{ingest.port}") for text in found]


class Flaky(requests.Session):
    """Fails in every way that the page says to repeat, before it sends."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead: list[Any] = [requests.ReadTimeout(), requests.ConnectionError(), 408, 429, 503]

    def post(self, *args: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        if not self.ahead:
            return super().post(*args, **options)
        failure = self.ahead.pop()
        if isinstance(failure, Exception):
            raise failure
        answer = requests.Response()
        answer.status_code = failure
        answer.headers.update({} if failure == 408 else {"Retry-After": "1"})
        return answer


def test_the_python_client_repeats_what_may_be_repeated(ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "Session", Flaky)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    scope: dict[str, Any] = {}
    [text] = examples("python", ingest)
    exec(text, scope)
    assert not scope["session"].ahead
    answer = scope["track"]("order_placed", "order", {"user_id": 7}, {"order_id": 1, "order_value": 1})
    assert answer["status"] == "success"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_lines(ingest: Ingest, tmp_path: Path) -> None:
    tmp_path.joinpath("events.ndjson").write_text("\n".join(json.dumps(event(kind)) for kind in ("order", "delivery")))
    answers = []
    for text in examples("sh", ingest)[:2]:
        shown = re.sub(r"^\{.*", "", text, flags=re.MULTILINE) if '{"status"' in text else text
        done = subprocess.run(
            ["sh", "-ec", shown.replace("curl ", "curl -sS -w '\\n' ")], cwd=tmp_path, capture_output=True, check=False
        )
        answers += [json.loads(line) for line in done.stdout.splitlines() if line]
    assert [answer["status"] for answer in answers] == ["success"] * 4
    assert [answer.get("accepted") for answer in answers] == [None, 1, 2, 2]
