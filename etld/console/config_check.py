"""What is wrong with [console] that only its own parts can tell: the users, the certificate."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from etld.config.mistakes import Mistake
from etld.console.access import tokens, users
from etld.console.access.origin import is_loopback
from etld.errors import EtldError
from etld.util import addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from etld.config import Config
    from etld.config.key_path import KeyPath
    from etld.config.sections.console import ConsoleSection


def check(config: Config, _data: dict[str, Any], _removed: frozenset[KeyPath]) -> Iterator[Mistake]:
    """Every mistake in the users' file and the certificate, and an address that everybody reaches without them."""
    console = config.console
    if not console.enabled:
        return
    yield from _asked(console)
    named: tuple[tuple[str, Path | None, Callable[[Path], Collection[object]]], ...] = (
        ("user", console.users_file, users.read),
        ("token", console.tokens_file, tokens.read),
    )
    for what, file, read in named:
        if file is not None and os.access(file, os.F_OK):
            try:
                if not read(file):
                    yield Mistake(
                        ("console", f"{what}s_file"),
                        f"{file} has no {what}: `etld console {what} add NAME`",
                        code="ETLD-U001",
                    )
            except EtldError as error:
                yield Mistake(("console", f"{what}s_file"), str(error), code="ETLD-U001")
    pair = (console.tls_cert_file, console.tls_key_file)
    if all(path is not None and os.access(path, os.F_OK) for path in pair):
        from etld.console import tls

        try:
            tls.load(console)
        except EtldError as error:
            yield Mistake(("console", "tls_cert_file"), str(error), code="ETLD-U001")


def _asked(console: ConsoleSection) -> Iterator[Mistake]:
    """Who comes has to be asked for, and only a proxy may answer for them."""
    asks = console.users_file or console.tokens_file or console.trusted_user_header
    if not asks and not is_loopback(console.host):
        told = f'is missing: whoever reaches console.host = "{console.host}" has to log in (`etld console user add`)'
        yield Mistake(("console", "users_file"), told, code="ETLD-U001")
    for message in addresses.check(console.trusted_proxies):
        yield Mistake(("console", "trusted_proxies"), message)
    if any(name.strip().endswith("/0") for name in console.trusted_proxies):
        yield Mistake(("console", "trusted_proxies"), "a network of all addresses would have everybody believed")
    if console.trusted_user_header:
        for key in ("trusted_proxies", "trusted_roles"):
            if not getattr(console, key):
                yield Mistake(("console", key), "is missing, and trusted_user_header needs it", code="ETLD-C005")
