"""Work that ends the process which does it, for tests of what finds that out."""

from __future__ import annotations

import os
from collections.abc import Sequence

from etld.isolation.program import Surroundings, Work


def opened(_payload: object, label: str, around: Surroundings) -> Work:
    """A value "exit" ends the process; "ask" asks the worker first."""

    def work(values: Sequence[bytes | None]) -> None:
        around.stage("TRANSFORM")
        for value in values:
            if value == b"ask":
                around.ask(label)
            elif value == b"exit":
                os._exit(4)

    return work
