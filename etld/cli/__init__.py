"""The command line. Nothing is imported before it is needed: `etld status` answers at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from etld import __version__
from etld.cli import asking
from etld.cli.lazy import LazyGroup
from etld.errors import EtldError, UsageError, coded

#: Command to module and the line that `etld --help` shows.
COMMANDS = {
    "demo": ("etld.cli.demo", "Start, send sample events, show what became of them."),
    "start": ("etld.cli.start", "Start the daemon."),
    "stop": ("etld.cli.stop", "Stop the daemon, after what is under way is done."),
    "restart": ("etld.cli.restart", "Restart workers one by one, or the whole daemon."),
    "reload": ("etld.cli.reload", "Take an edited configuration; restart only what it touches."),
    "status": ("etld.cli.status", "Show workers, addresses and totals."),
    "health": ("etld.cli.health", "Exit with 0 when all is well."),
    "logs": ("etld.cli.logs", "Show the daemon's log."),
    "scale": ("etld.cli.scale", "Change how many workers of a kind run."),
    "pause": ("etld.cli.pause", "Let workers stand still."),
    "resume": ("etld.cli.resume", "Let paused or halted workers go on."),
    "rebuild": ("etld.cli.rebuild", "Read records again into a shadow that replaces."),
    "rewind": ("etld.cli.rewind", "Have a processor read records again."),
    "cancel": ("etld.cli.cancel", "End the reload, restart, scaling or drain that is under way."),
    "drain": ("etld.cli.drain", "Refuse new events, and finish what is under way."),
    "generate": ("etld.cli.generate", "Send sample events over HTTP."),
    "dlq": ("etld.cli.dlq", "Look at dead letters, repair, replay or discard them."),
    "trace": ("etld.cli.trace", "Tell one event's life."),
    "forget": ("etld.cli.forget", "Erase a subject from every table, for good."),
    "reconcile": ("etld.cli.reconcile", "Compare topics, table, dead letters and summaries."),
    "lake": ("etld.cli.lake", "Fill the lake with what only PostgreSQL has."),
    "schemas": ("etld.cli.schemas", "List, check and register schemas."),
    "summaries": ("etld.cli.summaries", "Fill summaries anew."),
    "database": ("etld.cli.database", "Say what the database has to grant."),
    "new-type": ("etld.cli.new_type", "Write schema, table and summary of a new event type."),
    "keys": ("etld.cli.keys", "Make write keys."),
    "psql": ("etld.cli.psql", "Open a prompt on the database."),
    "open": ("etld.cli.open", "Open the console in a browser, or say where it is."),
    "console": ("etld.cli.console", "Say who may log in to the console."),
    "alerts": ("etld.cli.alerts", "Try the webhooks that are told of what is wrong."),
    "bi": ("etld.cli.bi", "Make dashboards for Superset and Grafana, a project for dbt."),
    "charts": ("etld.cli.charts", "Draw the charts now."),
    "config": ("etld.cli.config", "Check, show or write the configuration."),
    "explain": ("etld.cli.explain", "Tell what an error means, and what to do."),
    "completion": ("etld.cli.completion", "Print a shell's completion of etld."),
    "man": ("etld.cli.man", "Print the manual page."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The TOML file; else $ETLD_CONFIG, ./config/etld.toml or /etc/etld/etld.toml.",
)
@click.option("--asked-by", hidden=True, expose_value=False, callback=asking.remember, help="Used by the console.")
@click.version_option(__version__, prog_name="etld")
@click.pass_context
def cli(ctx: click.Context, config_path: Path | None) -> None:
    """One daemon: events over HTTP, through Kafka, into PostgreSQL, exactly once.

    Exit codes: 0 well, 1 not well, 2 wrong usage, 3 the daemon cannot be reached.
    """
    ctx.obj = config_path


def main() -> None:
    """Run the command line; a user's mistake is one clear line, never a traceback."""
    try:
        code = cli.main(prog_name="etld", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("etld: interrupted", err=True)
        code = 130
    except click.ClickException as error:
        _show(error)
        code = error.exit_code
    except EtldError as error:
        for line in error.with_code().splitlines():
            click.echo(f"etld: {line}", err=True)
        code = error.exit_code
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


def _show(error: click.ClickException) -> None:
    """As click does, with the code."""
    if type(error).show not in (click.ClickException.show, click.UsageError.show):  # such as the help of a group
        error.show()
        return
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        click.echo(f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n", err=True)
    click.echo(f"Error: {coded(error.format_message(), UsageError.code)}", err=True)
