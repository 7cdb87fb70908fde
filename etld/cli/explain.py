"""`etld explain`: what a code means. Needs no daemon and no configuration."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from etld.cli.layout import room
from etld.errors import UsageError
from etld.util.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.explain import Entry

_WIDEST = 80
#: Where a word is met, in words.
_MET = {
    "http": "code of an HTTP answer",
    "control": "code on the control socket",
    "fault": "fault in `etld health`",
    "alert": "alert",
    "letter": "dead letter's class or stage",
    "halt": "reason of a halted partition",
    "console": "status of the console's answer",
}


def _complete(_context: click.Context, _argument: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from etld.explain import CODES

    begun = incomplete.upper()
    return [CompletionItem(code, help=entry.title) for code, entry in CODES.items() if code.startswith(begun)]


@click.command()
@click.argument("code", required=False, metavar="[CODE|WORD]", shell_complete=_complete)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(code: str | None, as_json: bool) -> None:
    """Tell what an error means, why it happens, and what to do.

    CODE stands behind an error's text, as ETLD-K001. WORD is a fault of `etld health`, the class of a dead letter, or
    the `code` in an answer, as WORKER_KILLED. Without one, all that there are.
    """
    from etld import explain

    if code is None:
        _list(as_json)
        return
    found = explain.find(code)
    if not found:
        hint = did_you_mean(code, explain.known()) or did_you_mean(code.upper(), explain.known())
        raise UsageError(f"no error has the code or word {code!r}{hint}; `etld explain` lists all", code="ETLD-X002")
    if as_json:
        click.echo(json.dumps([entry.as_json() for entry in found]))
        return
    click.echo("\n\n".join("\n".join(_told(entry)) for entry in found))


def _list(as_json: bool) -> None:
    from etld.explain import AREAS

    if as_json:
        click.echo(json.dumps([{"area": area.title, **one.as_json()} for area in AREAS for one in area.entries]))
        return
    lines = []
    for area in AREAS:
        lines += ["", click.style(area.title, bold=True)]
        lines += [f"  {entry.code}  {entry.title}" for entry in area.entries]
    click.echo("\n".join(lines[1:]))


def _told(entry: Entry) -> Iterator[str]:
    yield click.style(f"{entry.code}  {entry.title}", bold=True)
    for head, text in (("What it means", entry.meaning), ("What to do", entry.remedy)):
        yield from ("", head, *_filled(text))
    if entry.words:
        yield from ("", "Also met as")
        for kind, words in entry.words.items():
            yield from _filled(f"{_MET[kind]}: {', '.join(words)}")


def _filled(text: str) -> list[str]:
    width = min(room() or _WIDEST, _WIDEST)
    lines = textwrap.wrap(text, width - 2, break_long_words=False, break_on_hyphens=False)
    return [f"  {line}" for line in lines]
