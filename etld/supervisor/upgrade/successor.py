"""Asking the program that is installed now whether it would run, before it takes this one's place."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Generator
from typing import TYPE_CHECKING

from etld.control.verbs import VerbError
from etld.supervisor.upgrade import handover
from etld.util import interpreter

if TYPE_CHECKING:
    from etld.supervisor.upgrade.handover import Running

_NOT_REPLACED = "ETLD-S022"
_WITHIN = 60.0
_LONGEST_REASON = 16384


class Successor:
    """The process that checks; as process 1 the supervisor must leave its end to us."""

    def __init__(self) -> None:
        self._check: subprocess.Popen[bytes] | None = None

    def reap(self, pid: int) -> bool:
        """Is this child ours? Then its end is noted."""
        if self._check is None or self._check.pid != pid:
            return False
        self._check.poll()
        return True

    def ask(self, running: Running) -> Generator[None, None, None]:
        """Wait until it has accepted the configuration, the state and the database.

        Raises VerbError with its reasons, or when it has no answer within a minute.
        """
        # A file and no pipe: nobody reads before the end.
        with os.fdopen(os.memfd_create("etld-check"), "r+b") as output:
            state = handover.save(running)
            argv = interpreter.command("etld.supervisor", "--check", "--state", str(state))
            argv += ["--config", str(running.active.config.source), "--kinds", running.active.kinds_ref]
            self._check = check = subprocess.Popen(
                argv,
                pass_fds=(state,),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            os.close(state)
            deadline = time.monotonic() + _WITHIN
            try:
                while check.poll() is None:
                    if time.monotonic() > deadline:
                        raise VerbError(
                            "failed",
                            f"the new program did not answer within {_WITHIN:.0f} s; the old one stays",
                            explain=_NOT_REPLACED,
                        )
                    yield
            finally:
                self._check = None
                with contextlib.suppress(ProcessLookupError):
                    check.kill()
                check.wait()
            if check.returncode != 0:
                output.seek(0)
                reason = output.read(_LONGEST_REASON).decode(errors="replace").strip()
                raise VerbError(
                    "failed", f"the new program would not run, so the old one stays:\n{reason}", explain=_NOT_REPLACED
                )
