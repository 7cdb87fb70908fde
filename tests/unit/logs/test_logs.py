"""Log lines, through the file descriptor they are written to."""

from __future__ import annotations

import json
import logging
import os

import pytest

from etld import logs


@pytest.fixture
def lines():
    """A logger that writes JSON to a pipe; call it to read what came."""
    read, write = os.pipe()
    handler = logs.Handler(write)
    handler.setFormatter(logs.JsonFormatter("worker-0", logs.Redactor(["s3cret-canary"])))
    logger = logging.getLogger("etld.test-logs")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)

    def out() -> list[dict]:
        handler.flush()
        return [json.loads(line) for line in os.read(read, 1 << 20).decode().splitlines()]

    yield logger, out
    logger.removeHandler(handler)
    os.close(read)
    os.close(write)


def test_fields_and_escapes(lines) -> None:
    """Coordinates first, one line whatever is in the message."""
    logger, out = lines
    logger.info("a\nb \x1b[31m", extra={"topic": "t", "partition": 1, "offset": 2, "event_id": "e"})
    (line,) = out()
    assert line["worker"] == "worker-0"
    assert (line["topic"], line["partition"], line["offset"], line["event_id"]) == ("t", 1, 2, "e")
    assert line["msg"] == "a\nb \x1b[31m"


def test_secrets_never_appear(lines) -> None:
    """Not in the message, not in a field, not in a traceback."""
    logger, out = lines
    try:
        raise ValueError("s3cret-canary")
    except ValueError:
        logger.exception("with s3cret-canary", extra={"dsn": "postgres://u:s3cret-canary@h"})
    assert "s3cret-canary" not in json.dumps(out())


def test_repeats_are_folded(lines) -> None:
    """The first, then how often."""
    logger, out = lines
    for _ in range(5):
        logger.error("broker away")
    assert [line["msg"] for line in out()] == ["broker away", "repeated 4 times: broker away"]


def test_a_person_s_line_cannot_be_forged() -> None:
    """Control characters are shown, not obeyed."""
    formatter = logs.HumanFormatter("w", logs.Redactor())
    text = formatter.format(logging.LogRecord("x", logging.INFO, "", 0, "a\nINFO forged \x1b[2J", None, None))
    assert "\n" not in text
    assert "\x1b" not in text
