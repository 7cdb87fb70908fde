"""`python -m etld.supervisor`: what a supervisor execs when it makes room for a new version."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from etld.config import locate, paths, refuse_unsafe, refuse_unsafe_files, user_code
from etld.errors import EtldError
from etld.supervisor import main
from etld.supervisor.config_checks import load
from etld.supervisor.kinds import load_kinds
from etld.supervisor.upgrade import handover


def run() -> int:
    """Check that this program would run, take over from the one before, or run in the foreground."""
    parser = argparse.ArgumentParser(prog="python -m etld.supervisor", description=__doc__)
    parser.add_argument("--config", type=Path, help="the TOML file")
    parser.add_argument("--kinds", default=main.KINDS, help="module:attribute of the table of worker kinds")
    parser.add_argument("--check", action="store_true", help="only tell whether it would run")
    parser.add_argument("--state", type=int, help="with --check: descriptor of the state to go on from")
    parser.add_argument("--resume", type=int, help="descriptor of the state to go on from")
    options = parser.parse_args()
    try:
        if options.resume is not None:
            return main.resume(options.resume)
        state = None if options.state is None else handover.read(options.state)
        if state is not None and state.directory:
            paths.look_from(Path(state.directory))
        kinds = load_kinds(options.kinds)
        refuse_unsafe(locate(options.config))
        config = load(options.config)
        refuse_unsafe_files(config)
        user_code.refuse_unsafe_code(config)
        if not options.check:
            return main.foreground(config, options.kinds)
        if state is not None:
            handover.check(state, kinds, config)
    except EtldError as error:
        for line in error.with_code().splitlines():
            sys.stderr.write(f"etld: {line}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(run())
