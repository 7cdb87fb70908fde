"""Log lines, through the file descriptor they are written to."""

from __future__ import annotations

import json
import logging
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etld import logs
from etld.config import parse
from etld.errors import EtldError, UsageError

CANARY = 's3cr3t "can\\ary" ü'


class Clock:
    """A time that only tests move."""

    now = 100.0

    def __call__(self) -> float:
        """Now, in seconds."""
        return self.now


class Desk:
    """A logger that writes JSON to a pipe."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        self.handler = logs.FoldingHandler(self._write, self.clock)
        self.handler.setFormatter(logs.JsonFormatter("worker-0", logs.Redactor([CANARY])))
        self.log = logging.Logger("etld.test", logging.INFO)  # noqa: LOG001  # nobody else's
        self.log.addHandler(self.handler)

    def raw(self) -> str:
        """All that was written, once."""
        try:
            return os.read(self._read, 1 << 20).decode()
        except BlockingIOError:
            return ""

    def lines(self) -> list[dict[str, object]]:
        """The same, each line as JSON."""
        return [json.loads(line) for line in self.raw().splitlines()]

    def messages(self) -> list[object]:
        """Their messages."""
        return [line["msg"] for line in self.lines()]

    def close(self) -> None:
        """Close both ends."""
        os.close(self._read)
        os.close(self._write)


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A desk of the test's own."""
    made = Desk()
    yield made
    made.close()


def human(record: logging.LogRecord, *secrets: str) -> str:
    return logs.HumanFormatter("w-0", logs.Redactor(secrets)).format(record)


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("etld.x", logging.INFO, "x.py", 1, message, None, None)
    vars(made).update(extra)
    return made


def test_a_json_line_has_worker_and_coordinates_first(desk: Desk) -> None:
    """Fixed keys, then topic, partition, offset, event_id, then the rest; None is left out."""
    desk.log.info("done", extra={"rows": 3, "offset": 2, "topic": "t", "event_id": None, "partition": 1})
    (line,) = desk.lines()
    assert list(line) == ["ts", "level", "worker", "msg", "topic", "partition", "offset", "rows"]
    assert (line["level"], line["worker"], line["msg"], line["rows"]) == ("info", "worker-0", "done", 3)


def test_a_line_that_tells_of_an_error_has_its_code(desk: Desk) -> None:
    """Unless it says itself which; an error without one has none."""
    error = UsageError("no disk", code="ETLD-X003")
    desk.log.info("%s; trying again", error)
    desk.log.info("%s", error, extra={"explain": "ETLD-K001"})
    desk.log.info("%s of %s", ValueError("x"), EtldError("y"))
    desk.log.info("%(what)s", {"what": error})
    assert [line.get("explain") for line in desk.lines()] == ["ETLD-X003", "ETLD-K001", None, None]


def test_a_field_cannot_pose_as_another(desk: Desk) -> None:
    """A field called like a fixed key does not replace it."""
    desk.log.info("true", extra={"worker": "forged", "level": "error"})
    (line,) = desk.lines()
    assert (line["worker"], line["level"]) == ("worker-0", "info")


def test_a_record_that_cannot_be_shown_leaves_a_line(desk: Desk) -> None:
    """With time, level and worker as any other; it tells where the mistake is."""

    class Mute:
        def __str__(self) -> str:
            raise ValueError("I am not to be shown")

    desk.log.info("%s", Mute())
    (line,) = desk.lines()
    assert list(line) == ["ts", "level", "worker", "msg"]
    assert (line["level"], line["worker"]) == ("error", "worker-0")
    assert "test_logs.py" in str(line["msg"])


def test_json_fields_keep_their_shape(desk: Desk) -> None:
    """Lists, objects, paths and times are JSON, with the secrets inside of them hidden."""
    desk.log.info("drew", extra={"paths": [Path("/a")], "spans": {"t:0": (1, 2)}, "note": [CANARY], "x": float("inf")})
    (line,) = desk.lines()
    assert line["paths"] == ["/a"]
    assert line["spans"] == {"t:0": [1, 2]}
    assert (line["note"], line["x"]) == (["***"], "inf")
    assert human(record("drew", topic="t", paths=[Path("/a")])).endswith('paths=["/a"])')


@given(message=st.text(), value=st.text())
def test_one_record_is_one_line_whatever_is_in_it(message: str, value: str) -> None:
    """No character of a message or a field starts a line or moves a terminal's cursor, in either format."""
    one = record(message, topic=value)
    text = human(one)
    assert text.isprintable()
    packed = logs.JsonFormatter("w-0", logs.Redactor()).format(one)
    assert packed.isprintable()
    assert json.loads(packed)["topic"] == value


def test_a_traceback_stays_below_its_line() -> None:
    """Each row of it is indented and escaped, so none can look like a line of its own."""
    try:
        raise ValueError("x\n12:00:00 error forged: \x1b[2J")  # noqa: TRY301  # for its traceback
    except ValueError as error:
        one = record("failed", exc_info=(type(error), error, error.__traceback__))
    first, *rest = human(one).split("\n")
    assert "failed" in first
    assert rest
    assert all(row.startswith("    ") and row.isprintable() for row in rest)


@pytest.mark.parametrize("form", [CANARY, quote(CANARY, safe=""), repr(CANARY), json.dumps(CANARY)])
def test_secrets_never_appear(desk: Desk, form: str) -> None:
    """Not in message, argument, field or traceback, and not percent-encoded or escaped."""
    try:
        raise ValueError(form)  # noqa: TRY301  # for its traceback
    except ValueError:
        desk.log.exception("with %s", form, extra={"dsn": f"postgresql://u:{form}@h"})
    raw = desk.raw()
    assert "***" in raw
    line = json.loads(raw)
    for part in (line["msg"], line["dsn"], line["trace"]):
        assert "ary" not in part


def test_every_secret_of_the_configuration_is_hidden(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password in a file, and those inside a DSN and a URL, by setup() and nothing else."""
    monkeypatch.setattr(logs, "_redactor", logs.Redactor())
    (tmp_path / "a.avsc").write_text('{"type": "record", "name": "a", "fields": []}')
    (tmp_path / "kafka").write_text("canary-in-file\n")
    text = f"""
    [kafka]
    sasl_password_file = "{tmp_path}/kafka"
    [postgres]
    dsn = "postgresql://etld:canary%2Din-dsn@db/etld"
    [schema_registry]
    url = "https://etld:canary-in-url@registry:8081"
    [event_types.a]
    schema = "{tmp_path}/a.avsc"
    """
    config = pickle.loads(pickle.dumps(parse(text, tmp_path / "etld.toml", {})))
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        logs.setup("ingest-0", config.log_settings())
        logging.getLogger("etld.x").warning("canary-in-file canary-in-dsn canary%%2Din-dsn %s", "canary-in-url")
    finally:
        root.handlers[:], root.level = before, level
        logging.captureWarnings(False)
    assert json.loads(capfd.readouterr().err)["msg"] == "*** *** *** ***"


def test_what_comes_again_is_counted(desk: Desk) -> None:
    """Also when two errors alternate; the count is told when ten seconds are over, by whatever comes or tick()."""
    for _ in range(5):
        desk.log.error("broker away")
        desk.log.error("database away")
    assert desk.messages() == ["broker away", "database away"]
    desk.clock.now += logs.FOLD_SECONDS - 0.1
    desk.handler.tick()
    assert desk.messages() == []
    desk.clock.now += 0.2
    desk.log.info("other")
    assert desk.messages() == ["repeated 4 times: broker away", "repeated 4 times: database away", "other"]
    desk.log.error("broker away")
    assert desk.messages() == ["broker away"]


def test_only_equal_warnings_of_one_place_are_counted(desk: Desk) -> None:
    """Not news, not another partition's."""
    for partition in (0, 1):
        desk.log.warning("slow", extra={"topic": "t", "partition": partition})
    desk.log.info("stored")
    desk.log.info("stored")
    assert desk.messages() == ["slow", "slow", "stored", "stored"]


def test_the_end_tells_what_was_counted(desk: Desk) -> None:
    """flush() does, and names no offset, since there were several."""
    for offset in range(3):
        desk.log.error("poison", extra={"topic": "t", "partition": 0, "offset": offset})
    desk.handler.flush()
    first, last = desk.lines()
    assert first["offset"] == 0
    assert (last["msg"], last["topic"], "offset" in last) == ("repeated 2 times: poison", "t", False)


def test_many_different_errors_take_bounded_memory(desk: Desk) -> None:
    """After a few hundred the counts start anew."""
    for number in range(1000):
        desk.log.error("error %d", number)
        desk.raw()
    assert len(desk.handler._folds) <= 256


def test_a_record_that_cannot_be_shown_says_where_it_is(desk: Desk) -> None:
    """A wrong argument is a line in the log, not the end of the worker."""
    desk.log.info("%d things", "no number")
    (line,) = desk.lines()
    assert "test_logs.py" in str(line["msg"])


def test_one_system_call_a_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """So lines of several processes never mix."""
    calls: list[bytes] = []
    monkeypatch.setattr(os, "write", lambda _fd, data: calls.append(bytes(data)) or len(data))
    desk.log.info("a\nb")
    assert len(calls) == 1
    assert calls[0].endswith(b"\n")


def test_reopen_follows_a_rotation(tmp_path: Path) -> None:
    """What a process writes after reopen() goes to the new file of that name, readable by its owner only."""
    path = tmp_path / "etld.log"
    kept = os.dup(1), os.dup(2)
    try:
        logs.reopen(path)
        os.write(2, b"old\n")
        path.rename(tmp_path / "etld.log.1")
        logs.reopen(path)
        os.write(2, b"new\n")
    finally:
        os.dup2(kept[0], 1)
        os.dup2(kept[1], 2)
        for fd in kept:
            os.close(fd)
    assert path.read_text() == "new\n"
    assert (tmp_path / "etld.log.1").read_text() == "old\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_levels_are_kept_apart(desk: Desk) -> None:
    """Below the level nothing is written; critical is said as error."""
    desk.log.debug("quiet")
    desk.log.critical("loud")
    assert [(line["level"], line["msg"]) for line in desk.lines()] == [("error", "loud")]


def test_what_is_shown_of_a_line_cannot_forge_another() -> None:
    """`etld logs`, `etld status` and `etld health` undo JSON's escapes: the terminal gets them escaped again."""
    from etld.cli import status_text
    from etld.cli.logs import _render

    evil = "x\n2026-01-01 error   ingest-0: forged\x1b[2J"
    line = json.dumps({"ts": "t", "level": "error", "worker": "w", "msg": evil, "key": evil, "trace": f"a\n{evil}"})
    shown = _render(line, None, 0, as_json=False)
    assert shown is not None
    assert "\x1b" not in shown
    first, *rest = shown.splitlines()
    assert first.count("forged") == 2
    assert len(rest) == 3
    assert all(row.startswith("    ") for row in rest)
    assert "\x1b" not in str(_render(f"raw {evil}", None, 0, as_json=False))
    reply = {
        "state": "ready",
        "version": "1",
        "pid": 1,
        "uptime_s": 1,
        "workers": [],
        "addresses": {"http": "h"},
        "totals": {},
        "faults": [evil],
    }
    assert status_text.render(reply, color=False).splitlines()[-1].startswith("    2026")
