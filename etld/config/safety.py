"""Who else may write what the daemon goes by: its configuration, the files that this names, and the user's modules."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import etld
from etld.errors import EtldError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from etld.config.model import Config


def refuse_unsafe(source: Path) -> None:
    """Refuse a file that somebody else may write or replace, by a directory or a link on the way to it, too.

    Somebody else is who is neither root, nor this user, nor the owner of etld's own code. In a directory that is asked
    for they may not even make a new file, as they may in /tmp. Raises EtldError with the command that mends it.
    """
    try:
        real = source.resolve()
        for path in _way(source):
            last = path.resolve() == real
            wrong = _wrong(path, sticky=not last)
            if wrong is not None:
                who, command = wrong
                raise EtldError(
                    f"{source} may be {'written' if last else 'replaced'} by {who}: `{command}`", code="ETLD-C009"
                )
    except OSError as error:
        raise EtldError(f"{source} cannot be read: {error.strerror}", code="ETLD-C002") from error


def refuse_unsafe_files(config: Config, without: Collection[str] = ()) -> None:
    """The same for every file that the configuration names, those with rules among them; raises EtldError.

    Not for those of the keys `without`.
    """
    named = [(key, path) for key, path in config.files().items() if key not in without]
    if config.corrector.rules_dir is not None:
        named.append(("corrector.rules_dir", config.corrector.rules_dir))
        named += [("corrector.rules_dir", rule.in_file.path) for rule in config.corrector.rules if rule.in_file]
    for key, path in named:
        try:
            refuse_unsafe(path)
        except EtldError as error:
            raise EtldError(f"{key}: {error}", code=error.code) from None


def _way(source: Path) -> Iterator[Path]:
    """The path, and every directory and link that is gone through to what it names, each once."""
    seen: set[Path] = set()
    waiting = [source.absolute()]
    while waiting:
        here = waiting.pop()
        for path in (here, *here.parents):
            if path in seen:
                continue
            seen.add(path)
            yield path
            if path.is_symlink():
                waiting.append(path.parent / path.readlink() / here.relative_to(path))


def _wrong(path: Path, *, sticky: bool) -> tuple[str, str] | None:
    """Who else may write it, and what mends that; None for nobody."""
    found = path.lstat()
    if found.st_uid not in _trusted():
        command = "chown -h" if stat.S_ISLNK(found.st_mode) else "chown"
        return f"{_user(found.st_uid)}, whose {path} is", f"{command} {_user(os.geteuid())} {path}"
    if stat.S_ISLNK(found.st_mode):
        return None
    if stat.S_ISDIR(found.st_mode) and sticky and found.st_mode & stat.S_ISVTX:
        return None  # only who owns what lies there may replace it, and that is looked at too
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return None  # such as what Kubernetes mounts
    if found.st_mode & stat.S_IWOTH:
        return "everybody", f"chmod o-w {path}"
    if found.st_mode & stat.S_IWGRP and not _private(found.st_gid):
        return f"the group {_group(found.st_gid)}", f"chmod g-w {path}"
    return None


def _trusted() -> frozenset[int]:
    """Users who can change what this process does anyway."""
    return frozenset({0, os.geteuid(), Path(etld.__file__).stat().st_uid})


def _private(gid: int) -> bool:
    """Is this group that of root, or of this user, with nobody else in it (as where the umask is 002)?"""
    trusted = _trusted()
    own = {0, os.getegid()}
    with contextlib.suppress(KeyError):
        own.add(pwd.getpwuid(os.geteuid()).pw_gid)
    if gid not in own:
        return False
    with contextlib.suppress(KeyError):
        for name in grp.getgrgid(gid).gr_mem:
            if pwd.getpwnam(name).pw_uid not in trusted:
                return False
    return all(user.pw_uid in trusted for user in pwd.getpwall() if user.pw_gid == gid)


def _user(uid: int) -> str:
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)


def _group(gid: int) -> str:
    with contextlib.suppress(KeyError):
        return grp.getgrgid(gid).gr_name
    return str(gid)
