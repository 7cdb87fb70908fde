"""What is wrong with [console] that only its own parts can tell: the users, the certificate."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from etld.config.mistakes import Mistake
from etld.console.access import users
from etld.console.access.origin import is_loopback
from etld.errors import EtldError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.config import Config
    from etld.config.key_path import KeyPath


def check(config: Config, _data: dict[str, Any], _removed: frozenset[KeyPath]) -> Iterator[Mistake]:
    """Every mistake in the users' file and the certificate, and an address that everybody reaches without them."""
    console = config.console
    if not console.enabled:
        return
    file = console.users_file
    if file is None and not is_loopback(console.host):
        told = f'is missing: whoever reaches console.host = "{console.host}" has to log in (`etld console user add`)'
        yield Mistake(("console", "users_file"), told)
    if file is not None and os.access(file, os.F_OK):
        try:
            if not users.read(file):
                yield Mistake(("console", "users_file"), f"{file} has no user: `etld console user add NAME`")
        except EtldError as error:
            yield Mistake(("console", "users_file"), str(error))
    pair = (console.tls_cert_file, console.tls_key_file)
    if all(path is not None and os.access(path, os.F_OK) for path in pair):
        from etld.console import tls

        try:
            tls.load(console)
        except EtldError as error:
            yield Mistake(("console", "tls_cert_file"), str(error))
