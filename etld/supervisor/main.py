"""Running the daemon in this process."""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import sys
from typing import TYPE_CHECKING

from setproctitle import setproctitle

from etld import logs
from etld.supervisor.kinds import load_kinds
from etld.supervisor.observe.startup_notifier import Herald
from etld.supervisor.runtime import Runtime
from etld.supervisor.supervisor import Supervisor, unread
from etld.supervisor.upgrade import reexec

if TYPE_CHECKING:
    from pathlib import Path

    from etld.config import Config

log = logging.getLogger("etld.supervisor")

KINDS = "etld.supervisor.kinds:KINDS"


def foreground(config: Config, kinds: str = KINDS) -> int:
    """Acquire everything, run to the end; the exit code. Raises EtldError before anything is started."""
    return serve(config, kinds, Runtime.acquire(config, load_kinds(kinds)), log_file=None, herald=Herald())


def serve(config: Config, kinds: str, runtime: Runtime, *, log_file: Path | None, herald: Herald) -> int:
    """Be the daemon, in this process, with what was acquired."""
    os.umask(0o077)
    logs.setup("supervisor", unread(config).log_settings())
    setproctitle("etld: supervisor")
    runtime.pidfile.write()
    daemon = Supervisor(config, kinds, runtime, log_file=log_file, herald=herald)
    daemon.begin()
    return loop(daemon)


def loop(daemon: Supervisor) -> int:
    """Run until the end, or until another version takes over."""
    faulthandler.enable(2)  # a watchdog's SIGABRT leaves the stacks; there is nobody else to write them
    gc.collect()
    gc.freeze()  # so that children's collections do not copy the pages they share with us
    try:
        while True:
            code = daemon.run()
            if not daemon.reexec or daemon.stopping:
                return code
            sys.stdout.flush()
            sys.stderr.flush()
            reexec.execute(daemon)
    except Exception:
        log.exception("a mistake in the code of the supervisor; it ends, and every worker with it")
        return 1
