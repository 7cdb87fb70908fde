"""Who else may write what the daemon goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.errors import EtldError

if TYPE_CHECKING:
    from pathlib import Path

    from etld.config.model import Config

_EVERYBODY = 0o002
_STICKY = 0o1000


def refuse_unsafe(source: Path) -> None:
    """Refuse a file that anybody may write or replace, also by way of a link to it; raises EtldError."""
    try:
        if source.stat().st_mode & _EVERYBODY:
            raise EtldError(f"{source} may be written by everybody: `chmod o-w {source}`")
        directories = dict.fromkeys((source.absolute().parent, source.resolve().parent))
        open_ones = [path for path in directories if path.stat().st_mode & (_EVERYBODY | _STICKY) == _EVERYBODY]
    except OSError as error:
        raise EtldError(f"{source} cannot be read: {error.strerror}") from error
    if open_ones:
        raise EtldError(f"{source} may be replaced by everybody: `chmod o-w {open_ones[0]}`")


def refuse_unsafe_files(config: Config) -> None:
    """The same for every file that the configuration names, those with rules among them; raises EtldError."""
    named = list(config.files().items())
    if config.corrector.rules_dir is not None:
        named.append(("corrector.rules_dir", config.corrector.rules_dir))
        named += [("corrector.rules_dir", rule.in_file.path) for rule in config.corrector.rules if rule.in_file]
    for key, path in named:
        try:
            refuse_unsafe(path)
        except EtldError as error:
            raise EtldError(f"{key}: {error}") from None
