"""What the console has others do beside it: commands, dry runs, looks for live pages, the log."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from etld.console.access.users import LOCAL
from etld.console.commands import Commands
from etld.console.daemon_log import DaemonLog
from etld.console.dry_runs import DryRuns
from etld.console.live import Live
from etld.console.page import Page, View
from etld.deadletters.letter_filter import LetterFilter
from etld.errors import EtldError
from support.waiting import wait_until

CONFIG = Path("etld.toml")


def instead(text: str) -> Callable[..., list[str]]:
    """A Python text in place of etld, with its arguments."""
    return lambda _module, *given: [sys.executable, "-c", text, *given]


def test_a_command_is_run_for_somebody() -> None:
    echo = Commands(instead("import sys; print(sys.argv[1:], sys.stdin.read())"))
    said = echo.run(CONFIG, LOCAL, "forget", "--", "--help", given="secret")
    assert said == "['--config', 'etld.toml', '--asked-by', 'local', 'forget', '--', '--help'] secret"
    refusing = Commands(instead("import sys; sys.exit('etld: no such thing')"))
    with pytest.raises(EtldError, match=r"^no such thing$"):
        refusing.run(CONFIG, LOCAL, "forget")


def test_what_a_command_says_keeps_its_code() -> None:
    """Beside the text; without one it is told that the console ran a command."""
    for said, text, code in (
        ("etld: no such thing (ETLD-X002)", "no such thing", "ETLD-X002"),
        ("etld: degraded (ETLD-S008):\netld:   one", "degraded:   one", "ETLD-S008"),
        ("", "it ended with exit code 1", "ETLD-U011"),
    ):
        refusing = Commands(instead(f"import sys; print({said!r}, file=sys.stderr); sys.exit(1)"))
        with pytest.raises(EtldError) as caught:
            refusing.run(CONFIG, LOCAL, "forget")
        assert (str(caught.value), caught.value.code) == (text, code)


def test_two_commands_at_once_and_no_more() -> None:
    """They end with the console."""
    commands = Commands(instead("import time; time.sleep(60)"))
    ended: list[str] = []

    def run() -> None:
        try:
            commands.run(CONFIG, LOCAL, "rebuild")
        except EtldError as error:
            ended.append(str(error))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(commands._running) == 2, 20, "both run")
    with pytest.raises(EtldError, match="are under way"):
        commands.run(CONFIG, LOCAL, "rebuild")
    commands.close()
    for thread in threads:
        thread.join(20)
    assert ended == ["it ended with exit code -15"] * 2


def test_a_dry_run_is_broken_off() -> None:
    """At once, with what it had told; its process is gone."""
    program = instead("import sys, time; sys.stdin.read(); print('{\"tested\": 7}', flush=True); time.sleep(60)")
    runs = DryRuns(program)
    runs.start("a", CONFIG, "a rule", LetterFilter())
    wait_until(lambda: (found := runs.find("a")) is not None and found.told, 20, "it tells")
    began = time.monotonic()
    run = runs.cancel("a")
    assert run.process is not None
    run.process.wait(10)
    wait_until(lambda: run.ended is not None, 10, "it has ended")
    assert (run.state, run.told, time.monotonic() - began < 5) == ("cancelled", {"tested": 7}, True)


def test_looks_take_their_share_and_no_more() -> None:
    """One after the other, for whoever watches; what nobody waits for any more is not looked at."""
    looks: list[tuple[str, float]] = []

    async def data(_page: Page, view: View) -> dict[str, Any]:
        looks.append((view.values["a"], asyncio.get_running_loop().time()))
        await asyncio.sleep(0.02)
        return {}

    async def watch() -> None:
        live = Live(SimpleNamespace(data=data))  # type: ignore[arg-type]
        page = Page("x", "/x", "", lambda _sources, _view: {}, live=True, share=0.1)
        views = {name: View({"a": name}, LOCAL, payloads=True) for name in "abc"}
        with live._watched(("b",)), live._watched(("a",)):
            tasks = [live._look(("a",), page, views["a"]), live._look(("b",), page, views["b"])]
            assert live._look(("a",), page, views["a"]) is tasks[0]
            with live._watched(("c",)):
                gone = live._look(("c",), page, views["c"])
            await asyncio.wait([*tasks, gone])
        assert gone.cancelled()

    asyncio.run(watch())
    assert [name for name, _ in looks] == ["a", "b"]
    assert looks[1][1] - looks[0][1] >= 0.19


def test_the_log_is_read_from_its_end(tmp_path: Path) -> None:
    """Bounded, by worker and level; what is no record of ours is shown too, to who asks for all."""
    file = tmp_path / "etld.log"
    lines = [
        json.dumps({"ts": f"t{number}", "level": level, "worker": f"{kind}-0", "msg": "x" * 1000})
        for number in range(400)
        for kind, level in (("ingest", "info"), ("processor-order", "warning"))
    ]
    file.write_text(
        "\n".join([*lines, "Fatal error: <b>", json.dumps({"msg": "m", "trace": "a\nb", "level": "error"})])
    )

    def ask(verb: str, **given: object) -> dict[str, Any]:
        assert (verb, given) == ("logs", {"lines": 0})
        return {"target": "file", "path": str(file)}

    log = DaemonLog()
    everything = log.last(ask, 10_000, "", "debug")
    assert [one["text"] for one in everything[:2]] == ["m\na\nb", "Fatal error: <b>"]
    assert 100 < len(everything) < 300
    assert {one["worker"] for one in log.last(ask, 5, "processor", "debug")} == {"processor-order-0"}
    assert {one["level"] for one in log.last(ask, 10_000, "", "warning")} == {"warning", "error"}
    with pytest.raises(EtldError, match="look there"):
        DaemonLog().last(lambda *_args, **_given: {"target": "stderr"}, 5, "", "info")
