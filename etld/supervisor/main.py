"""Running the daemon in this process."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from setproctitle import setproctitle

from etld import logs
from etld.config import paths
from etld.supervisor.config_checks import load
from etld.supervisor.kinds import load_kinds
from etld.supervisor.reactor import SIGNALS
from etld.supervisor.reload.active_config import without_password_file
from etld.supervisor.runtime import Runtime
from etld.supervisor.supervisor import Startup, Supervisor
from etld.supervisor.upgrade import handover, reexec, takeover
from etld.util import interpreter

if TYPE_CHECKING:
    from etld.config import Config

log = logging.getLogger("etld.supervisor")

KINDS = "etld.supervisor.kinds:KINDS"


def foreground(config: Config, kinds: str = KINDS) -> int:
    """Acquire everything, run to the end; the exit code. Raises EtldError before anything is started."""
    return serve(config, Startup(kinds), Runtime.acquire(config, load_kinds(kinds)))


def serve(config: Config, startup: Startup, runtime: Runtime) -> int:
    """Be the daemon, in this process, with what was acquired."""
    os.umask(0o077)
    logs.setup("supervisor", without_password_file(config).log_settings())
    setproctitle("etld: supervisor")
    runtime.pidfile.write()
    with contextlib.suppress(FileNotFoundError):  # the working directory is gone
        paths.look_from(Path.cwd())
    interpreter.settle(config.state_dir)
    return loop(Supervisor(config, startup, runtime))


def resume(fd: int) -> int:
    """Go on from what the program before this one saved in the descriptor."""
    setproctitle("etld: supervisor")
    saved = handover.read(fd)
    paths.look_from(Path(saved.directory or Path.cwd()))
    config = load(Path(saved.config))
    interpreter.settle(config.state_dir)
    startup = Startup(saved.kinds, Path(saved.log_file) if saved.log_file else None)
    daemon = Supervisor(config, startup, takeover.runtime(saved), saved)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    return loop(daemon)


def loop(daemon: Supervisor) -> int:
    """Run until the end, or until another version takes over."""
    faulthandler.enable(2)  # a watchdog's SIGABRT leaves the stacks; there is nobody else to write them
    gc.collect()
    gc.freeze()  # so that children's collections do not copy the pages they share with us
    try:
        while True:
            code = daemon.run()
            if not daemon.lifecycle.upgrading or daemon.lifecycle.stopping:
                return code
            sys.stdout.flush()
            sys.stderr.flush()
            reexec.execute(daemon.running, daemon.operations, daemon.reactor)
    except Exception:
        log.exception("internal error in the supervisor; it ends, and every worker with it")
        return 1
