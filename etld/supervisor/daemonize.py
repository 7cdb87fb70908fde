"""Leaving the terminal: two forks, a session of its own, the log as standard output."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING

from etld import logs
from etld.supervisor import main
from etld.supervisor.kinds import load_kinds
from etld.supervisor.observe.startup_notifier import StartupNotifier
from etld.supervisor.processes.spawn import flush
from etld.supervisor.runtime import Runtime
from etld.supervisor.supervisor import Startup

if TYPE_CHECKING:
    from etld.config import Config

LOG_NAME = "etld.log"


def start(config: Config, kinds: str = main.KINDS) -> int:
    """Start the daemon in the background; the descriptor of the pipe in which it tells how that goes.

    Raises EtldError, before anything is forked, for what is wrong with ports, files and directories.
    """
    runtime = Runtime.acquire(config, load_kinds(kinds))
    log_file = config.log_dir / LOG_NAME if config.log.target == "file" else None
    reader, writer = os.pipe()
    flush()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _daemon(config, Startup(kinds, log_file, StartupNotifier(writer)), runtime)
    os.close(writer)
    runtime.forget()
    os.waitpid(pid, 0)
    return reader


def _daemon(config: Config, startup: Startup, runtime: Runtime) -> None:
    code = 1
    try:
        os.setsid()
        if os.fork() != 0:  # never a session leader, so never a controlling terminal
            os._exit(0)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        if startup.log_file is not None:
            logs.reopen(startup.log_file)
        os.close(null)
        code = main.serve(config, startup, runtime)
    except BaseException as error:
        if not isinstance(error, SystemExit):
            logging.getLogger("etld.supervisor").critical("the daemon ends", exc_info=error)
    finally:
        flush()
        os._exit(code)
