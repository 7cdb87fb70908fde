"""A person with dead letters: questions on a terminal, an editor, Ctrl-C, names and tables."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.daemon import Daemon
from support.etld_client import EtldClient
from support.events import purchase
from support.waiting import wait_until

pytestmark = pytest.mark.integration

ETLD = str(Path(sys.executable).with_name("etld"))


@pytest.fixture(scope="module")
def etld(make_daemon: Callable[[], Daemon]) -> Any:
    """A daemon without rules."""
    made = make_daemon()
    made.configure({"corrector.rules": []})
    with made.running():
        yield EtldClient(made)


@pytest.fixture
def parked(etld: EtldClient) -> dict[str, Any]:
    """A parked letter of its own, as `list --json` has it."""
    event = purchase(price="1,5")
    etld.track(event)
    return etld.letter(event["event_id"], "parked")


class Terminal:
    """`etld ARGS` on a terminal of `columns`; what it writes is read by `until` and `end`."""

    def __init__(self, etld: EtldClient, *args: str, columns: int = 100, out: Any = None, **env: str) -> None:
        ours, theirs = pty.openpty()
        self._fd = ours
        self.said = ""
        self.process = subprocess.Popen(
            [ETLD, *args],
            env={**etld.daemon.env, "COLUMNS": str(columns), "TERM": "xterm", **env},
            cwd=etld.daemon.directory,
            stdin=theirs,
            stdout=out or theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def until(self, words: str) -> None:
        limit = time.monotonic() + 30
        while words not in self.said:
            assert time.monotonic() < limit, self.said
            self.said += os.read(self._fd, 65536).decode()

    def end(self) -> int:
        with contextlib.suppress(OSError):  # EIO is the end of a terminal
            while data := os.read(self._fd, 65536):
                self.said += data.decode()
        os.close(self._fd)
        return self.process.wait(30)


def test_bulk_commands_ask_on_a_terminal(etld: EtldClient, parked: dict[str, Any]) -> None:
    """No is no; yes is yes; the number is in the question."""
    number = etld.states()["parked"]
    for verb in (["replay"], ["discard", "--reason", "test"]):
        asked = Terminal(etld, "dlq", *verb, "--state", "parked")
        asked.until(f"{verb[0]} {number:,} dead letter")
        asked.type("n\r")
        assert asked.end() == 1
        assert etld.states()["parked"] == number
    asked = Terminal(etld, "dlq", "discard", parked["id"], "--reason", "a test")
    asked.until("discard 1 dead letter?")
    asked.type("y\r")
    assert asked.end() == 0
    letter = etld.letter(parked["event_id"], "discarded")
    assert (letter["reason"], letter["history"][-1]["outcome"]) == ("a test", "discarded")


def test_an_interrupted_replay_has_done_whole_batches_and_goes_on(etld: EtldClient) -> None:
    """Ctrl-C while it waits for a row in a later batch; the same command again does the rest."""
    total = 1200
    etld.send([purchase(item_id=number, price="x") for number in range(total)])
    wait_until(lambda: set(etld.states()) == {"parked", "discarded"}, 60, "all are parked")
    before = etld.sql("SELECT count(*), sum(replays)::int FROM etld.dead_letter WHERE state = 'parked'")[0]
    with psycopg.connect(etld.dsn) as holder:
        holder.execute(
            "SELECT id FROM etld.dead_letter WHERE state = 'parked' ORDER BY created_at DESC, id DESC"
            " LIMIT 1 FOR UPDATE"
        )
        replay = Terminal(etld, "dlq", "replay", "--state", "parked", "--yes")

        def replayed() -> int:
            found: int = etld.sql("SELECT sum(replays)::int FROM etld.dead_letter")[0][0] - before[1]
            return found

        wait_until(lambda: replayed() >= 1000, 30, "two batches are done")
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%dead_letter%%'"
        wait_until(lambda: etld.sql(waits) != [(0,)], 30, "the third waits for the row")
        os.killpg(replay.process.pid, signal.SIGINT)
        assert replay.end() == 130
    assert f"interrupted: replayed 1,000 of {before[0]:,}" in replay.said
    assert replayed() == 1000
    wait_until(lambda: set(etld.states()) == {"parked", "discarded"}, 60, "those are parked again")
    assert etld.daemon.json("dlq", "replay", "--state", "parked", "--yes")["replayed"] == before[0]
    wait_until(lambda: set(etld.states()) == {"parked", "discarded"}, 60, "all are parked again")
    assert etld.sql("SELECT count(*) FROM etld.dead_letter WHERE replays > 2") == [(0,)]


def test_a_killed_replay_is_gone_on_with_by_the_corrector(etld: EtldClient) -> None:
    """Kill -9 while it waits for a row in its second batch; no letter is replayed twice."""
    etld.send([purchase(item_id=number, price="killed") for number in range(700)])
    chosen = ("--text", "killed", "--state", "parked")
    wait_until(lambda: len(etld.listed(*chosen)) == 700, 60, "all are parked")
    with psycopg.connect(etld.dsn) as holder:
        last = etld.listed(*chosen)[0]["id"]
        holder.execute("SELECT id FROM etld.dead_letter WHERE id = %s FOR UPDATE", (last,))
        replay = Terminal(etld, "dlq", "replay", *chosen, "--yes")
        done = "SELECT done FROM etld.letter_job ORDER BY id DESC LIMIT 1"
        wait_until(lambda: etld.sql(done) == [(500,)], 30, "a batch is done")
        os.killpg(replay.process.pid, signal.SIGKILL)
        replay.end()
        assert etld.sql(done) == [(500,)]
    (job,) = etld.jobs(1)
    assert (job["action"], job["total"]) == ("replay", 700)
    wait_until(lambda: etld.jobs(1)[0]["state"] == "done", 60, "the corrector has done the rest")
    assert etld.jobs(1)[0]["done"] == 700
    assert "command line" in job["asked_by"]
    replays = (
        "SELECT DISTINCT replays FROM etld.dead_letter WHERE position('killed' IN convert_from(value, 'UTF8')) > 0"
    )
    assert etld.sql(replays) == [(1,)]


@pytest.mark.parametrize(
    ("as_json", "words"),
    [
        ((), "interrupted: replayed 1 of 2"),
        (("--json",), '{"replayed": 1, "invalid": 0, "interrupted": true}'),
    ],
)
def test_an_interrupted_repair_of_many_says_how_many(etld: EtldClient, as_json: tuple[str, ...], words: str) -> None:
    """Ctrl-C while it waits for the second of two letters."""
    pair = [purchase(price="1,5") for _ in range(2)]
    ids = []
    for event in pair:
        etld.track(event)
        ids.append(etld.letter(event["event_id"], "parked")["id"])
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%dead_letter%%'"
    with psycopg.connect(etld.dsn) as holder:
        holder.execute("SELECT id FROM etld.dead_letter WHERE id = %s FOR UPDATE", (ids[0],))
        replay = Terminal(etld, "dlq", "replay", *ids, "--set", "event_details.price=2.5", "--yes", *as_json)
        wait_until(lambda: etld.sql(waits) != [(0,)], 30, "it waits for the row")
        os.killpg(replay.process.pid, signal.SIGINT)
        assert replay.end() == 130
    assert words in replay.said
    assert "50%" in replay.said
    etld.letter(pair[1]["event_id"], "resolved")
    assert etld.letter(pair[0]["event_id"], "parked")["state"] == "parked"


def test_a_person_is_asked_when_only_the_answer_goes_elsewhere(etld: EtldClient, parked: dict[str, Any]) -> None:
    """`etld dlq discard … > file` at a terminal."""
    with (etld.daemon.directory / "answer").open("w+") as answer:
        asked = Terminal(etld, "dlq", "discard", parked["id"], "--reason", "test", "--json", out=answer)
        asked.until("discard 1 dead letter?")
        asked.type("n\r")
        assert asked.end() == 1
        answer.seek(0)
        assert answer.read() == ""
    assert etld.daemon.json("dlq", "show", parked["id"])["state"] == "parked"


def test_show_tells_all_that_came(etld: EtldClient, parked: dict[str, Any]) -> None:
    """The key and the headers too; and what is no id is wrong use, not a pattern."""
    said = etld.daemon.cli("dlq", "show", parked["id"]).stdout
    assert f"key         {parked['key']}" in said
    assert parked["headers"]
    for name, value in parked["headers"].items():
        assert f"  {name}: {value}" in said
    done = etld.daemon.cli("dlq", "show", f"{parked['id'][0]}%__", check=False)
    assert (done.returncode, done.stdout) == (2, "")


def test_half_a_character_can_be_edited(etld: EtldClient) -> None:
    """As an escape: no file can hold it."""
    event = purchase(item_name="\ud83d", price="1,5")
    etld.queue(event)
    letter = etld.letter(event["event_id"], "parked")
    edited(etld, letter["id"], "event['event_details'].update(item_name='lamp', price=3.5)")
    etld.letter(event["event_id"], "resolved")
    assert etld.price(event["event_id"]) == 3.5


def test_what_is_nested_too_deeply_is_a_problem_in_words(etld: EtldClient) -> None:
    """Not a traceback; the letter stays."""
    deep: Any = 1
    for _ in range(900):
        deep = {"a": deep}
    event = purchase(item_name=deep)
    etld.queue(event)
    letter = etld.letter(event["event_id"], "parked")
    done = etld.daemon.cli("dlq", "replay", letter["id"], "--set", "event_details.price=1", check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert f"{letter['id']}: not replayed: " in done.stderr
    assert etld.daemon.json("dlq", "show", letter["id"])["state"] == "parked"


def edited(etld: EtldClient, letter: str, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """`replay --edit` with a Python script for an editor; it finds the event in `event`."""
    program = etld.daemon.directory / "editor.py"
    program.write_text(
        "import json, sys\nname = sys.argv[1]\nevent = json.load(open(name))\n"
        f"{script}\nopen(name, 'w').write(event if isinstance(event, str) else json.dumps(event))\n"
    )
    etld.daemon.env["EDITOR"] = f"{sys.executable} {program}"
    return etld.daemon.cli("dlq", "replay", letter, "--edit", check=check)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("event = '{'", "not JSON"),
        ("event['event_details']['price'] = 'much'", "event_details.price: expected a finite number"),
        ("event['event_id'] = '00000000-0000-4000-8000-000000000000'", "an event keeps its event_id"),
        ("sys.exit(1)", "Editing failed"),
    ],
)
def test_an_edit_that_is_not_valid_changes_nothing(
    etld: EtldClient, parked: dict[str, Any], script: str, words: str
) -> None:
    """It says why."""
    done = edited(etld, parked["id"], script, check=False)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    again = etld.daemon.json("dlq", "show", parked["id"])
    assert (again["state"], again["history"]) == ("parked", parked["history"])


def test_an_edited_event_is_stored_as_it_was_edited(etld: EtldClient, parked: dict[str, Any]) -> None:
    """With before and after on record, found by the beginning of the id."""
    done = edited(etld, parked["id"][:13], "event['event_details']['price'] = 77.5")
    assert 'event_details.price: "1,5" -> 77.5' in done.stderr
    letter = etld.letter(parked["event_id"], "resolved")
    assert (letter["history"][-1]["rule"], letter["history"][-1]["outcome"]) == ("(by hand)", "stored")
    assert letter["history"][-1]["after"]["event_details"]["price"] == 77.5
    assert etld.price(parked["event_id"]) == 77.5


def test_set_on_many_letters(etld: EtldClient, parked: dict[str, Any]) -> None:
    """Those that it makes valid go; the others stay, with the reason, and the exit code says so."""
    wrong = {**purchase(price="1,5"), "event_name": "no_such_name"}
    etld.track(wrong)
    other = etld.letter(wrong["event_id"], "parked")
    done = etld.daemon.cli(
        "dlq", "replay", parked["id"], other["event_id"], "--set", "event_details.price=2.5", "--json", check=False
    )
    assert (done.returncode, json.loads(done.stdout)) == (1, {"replayed": 1, "invalid": 1, "interrupted": False})
    assert f"{other['id']}: not replayed: event_name" in done.stderr
    etld.letter(parked["event_id"], "resolved")
    assert etld.price(parked["event_id"]) == 2.5
    assert etld.daemon.json("dlq", "show", other["id"])["state"] == "parked"


@pytest.mark.parametrize(
    "verb", [["replay"], ["discard", "--reason", "x"], ["test", "--id"], ["show"], ["list", "--after"]]
)
def test_a_letter_that_is_not_there_is_an_error(etld: EtldClient, verb: list[str]) -> None:
    """For every command that takes an id; and nonsense is wrong use."""
    done = etld.daemon.cli("dlq", *verb, "00000000-0000-4000-8000-000000000000", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "00000000-0000-4000-8000-000000000000" in done.stderr
    done = etld.daemon.cli("dlq", *verb, "?", check=False)
    assert (done.returncode, done.stdout) == (2, "")


def test_list_pages_and_filters(etld: EtldClient, parked: dict[str, Any]) -> None:
    """Every letter on one page, newest first; on a narrow terminal the error has a line of its own."""
    everything = [json.loads(line)["id"] for line in etld.daemon.cli("dlq", "list", "--json").stdout.splitlines()]
    assert everything[0] == parked["id"]
    paged: list[str] = []
    while len(paged) < len(everything):
        after = ["--after", paged[-1]] if paged else []
        page = etld.daemon.cli("dlq", "list", "--json", "--limit", "400", *after).stdout.splitlines()
        paged += [json.loads(line)["id"] for line in page]
    assert paged == everything

    def count(*options: str) -> int:
        return len(etld.daemon.cli("dlq", "list", "--json", *options).stdout.splitlines())

    assert count("--older-than", "1 h") == 0
    assert count("--newer-than", "1 h") == count() == len(everything)
    assert count("--type", "order") == 0
    assert count("--error", 'got "1,5"', "--state", "parked") >= 1
    for columns in (80, 200):
        terminal = Terminal(etld, "dlq", "list", "--limit", "3", columns=columns)
        assert terminal.end() == 0
        lines = re.sub(r"\x1b\[\d*m", "", terminal.said).splitlines()
        assert max(map(len, lines)) <= columns
        assert parked["id"][:13] in terminal.said
        assert parked["id"] not in terminal.said
        assert "event_details.price" in terminal.said


def test_a_mistake_in_the_rules_has_its_line_at_start_and_reload(etld: EtldClient) -> None:
    """For every command that reads them; what runs goes on."""
    wait_until(lambda: etld.daemon.status()["state"] == "ready", 30, "the kills of the tests before are over")
    good = etld.daemon.config_path.read_text()
    rule = '\n[[corrector.rules]]\nname = "typo"\nsteps = [{ trin = "*" }]\n'
    rule += '\n[[corrector.rules]]\nname = "typo"\nhook = "nowhere:f"\n'
    etld.daemon.config_path.write_text(good.replace("rules = []\n", "") + rule)
    line = len(good.replace("rules = []\n", "").splitlines()) + 4
    try:
        for command in (["reload"], ["config", "check"], ["start"]):
            done = etld.daemon.cli(*command, check=False)
            assert done.returncode == 1
            said = done.stdout + done.stderr
            wanted = "corrector.rules[0].steps[0].trin: unknown step 'trin'; did you mean 'trim'?"
            assert f":{line}: {wanted}" in said or f"line {line}: {wanted}" in said
            assert "two rules are called 'typo'" in said
            assert "there is no module 'nowhere'" in said
        assert etld.daemon.status()["state"] == "ready"
    finally:
        etld.daemon.config_path.write_text(good)
