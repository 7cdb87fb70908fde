"""`etld man`: the manual page, from the texts of --help."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from etld import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILES = """\
.SH FILES
.TP
.I ./config/etld.toml, /etc/etld/etld.toml
The configuration, when neither --config nor $ETLD_CONFIG names one.
.SH ENVIRONMENT
.TP
.B ETLD_CONFIG
The configuration file.
.TP
.B ETLD_SECTION__KEY
Overrides a key of the configuration, as ETLD_INGEST__PORT=9000.
"""


@click.command()
def command() -> None:
    """Print the manual page: `etld man > ~/.local/share/man/man1/etld.1`, then `man etld`."""
    from etld.cli import cli

    click.echo("\n".join(page(cli)))


def page(group: click.Group) -> Iterator[str]:
    """The lines of the page, in roff."""
    yield f'.TH ETLD 1 "" "etld {__version__}" "User Commands"'
    summary, _, rest = (group.help or "").partition("\n\n")
    yield from (".SH NAME", f"etld \\- {_plain(summary)}", ".SH SYNOPSIS", ".B etld", "[OPTIONS] COMMAND [ARGS]...")
    yield from (".SH DESCRIPTION", *_paragraphs(rest), ".SH OPTIONS")
    context = click.Context(group, info_name="etld")
    yield from _options(group, context)
    yield ".SH COMMANDS"
    yield from _commands(group, context)
    yield _FILES.rstrip("\n")


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        below = click.Context(command, info_name=name, parent=context)
        yield f".SS {_plain(below.command_path)} {_plain(' '.join(command.collect_usage_pieces(below)))}"
        yield from _paragraphs(command.help or "")
        yield from _options(command, below)
        if isinstance(command, click.Group):
            yield from _commands(command, below)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None and record[1]:
            yield from (".TP", f".B {_plain(record[0])}", _plain(record[1]))


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        if paragraph.strip():
            yield from (".PP", _plain(paragraph))


def _plain(text: str) -> str:
    """As one line of text that roff takes for nothing else."""
    escaped = re.sub(r"\s+", " ", text).strip().replace("\\", "\\e").replace("-", "\\-")
    escaped = "".join(one if one.isascii() else f"\\[u{ord(one):04X}]" for one in escaped)
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
