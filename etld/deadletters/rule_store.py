"""The rules as people look after them: which there are, one more, one less. `service` counts what they did."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etld.config import refuse_unsafe, rule_files, user_code
from etld.config.sections.operation import RuleSection
from etld.deadletters.rules import from_toml
from etld.errors import EtldError
from etld.util.files import locked, write_atomically
from etld.util.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etld.config import Config

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,120}\.toml")
_NO_PLACE = (
    "corrector.rules_dir names no directory for files of rules: make one and name it in {source},"
    ' such as [corrector] rules_dir = "./rules"'
)


@dataclass(frozen=True, slots=True)
class KnownRule:
    """A rule of the configuration, and where it stands.

    `file` is its own in corrector.rules_dir, None for one of the configuration's file; `place` is for people.
    """

    name: str
    match: dict[str, Any]
    steps: tuple[dict[str, Any], ...]
    hook: str
    file: Path | None
    place: str

    def as_json(self) -> dict[str, Any]:
        """With the keys that programs rely on."""
        return {
            "name": self.name,
            "match": self.match,
            "steps": list(self.steps),
            "hook": self.hook or None,
            "file": None if self.file is None else str(self.file),
            "place": self.place,
        }

    def as_toml(self) -> str:
        """As it stands in its file; one of the configuration's file as a file of its own would have it."""
        if self.file is not None:
            return rule_files.text_of(self.file)
        return to_toml({"name": self.name, "match": self.match, "steps": list(self.steps), "hook": self.hook})


def to_toml(rule: dict[str, Any]) -> str:
    """The text of a file for a rule that was put together elsewhere; what is empty is left out."""
    import tomli_w

    return tomli_w.dumps({key: value for key, value in rule.items() if value})


class RuleStore:
    """The rules of a configuration, which `load` reads anew each time; it raises `ConfigError`."""

    def __init__(self, load: Callable[[], Config]) -> None:
        self._load = load

    def all(self) -> list[KnownRule]:
        """In the order in which they are tried."""
        return _known(self._load())

    def named(self, name: str) -> KnownRule:
        """The rule of that name; raises `EtldError`."""
        return _named(self.all(), name)

    def save(self, text: str, origin: Path, file_name: str | None = None, *, replace: bool = False) -> KnownRule:
        """Check the rule of a text and make it a file of corrector.rules_dir; a daemon takes it up at its next reload.

        `origin` is told with mistakes. Without a `file_name` the rule's name makes one; the order of file names is
        that of the rules. `replace`: a rule of that name in the directory is overwritten, in its file. Raises
        `ConfigError` for mistakes, and `EtldError` where nothing may be written.
        """
        rule = from_toml.read_one(text, origin)
        name: str = rule.table["name"]
        file_name = file_name or f"{re.sub(r'[^A-Za-z0-9_]+', '-', name).strip('-') or 'rule'}{rule_files.SUFFIX}"
        if not _FILE_NAME.fullmatch(file_name):
            raise EtldError(
                f"{file_name!r} is no name for a rule's file: expected letters, digits, . - _ and .toml",
                code="ETLD-D020",
            )
        with self._locked() as (config, directory):
            target = _target(_known(config), name, directory / file_name, replace=replace)
            section = RuleSection.model_validate(rule.table)
            section.stands(rule.line(), rule)
            alone = config.corrector.model_copy(update={"rules": (section,)})
            refuse_unsafe(directory)
            user_code.check(config.model_copy(update={"event_types": {}, "corrector": alone}))
            write_atomically(target, text.encode(), mode=0o644)
        return KnownRule(name, section.match, section.steps, section.hook, target, str(target))

    def remove(self, name: str) -> KnownRule:
        """Take a rule's file out of corrector.rules_dir; raises `EtldError` for a rule that is no file of its own."""
        with self._locked() as (config, _directory):
            rule = _named(_known(config), name)
            if rule.file is None:
                raise EtldError(
                    f"rule {name!r} stands in {rule.place}: take it out there, then `etld reload`", code="ETLD-D020"
                )
            rule.file.unlink()
        return rule

    @contextmanager
    def _locked(self) -> Iterator[tuple[Config, Path]]:
        """The configuration and corrector.rules_dir, while nobody else saves or removes a rule."""
        config = self._load()
        directory = config.corrector.rules_dir
        if directory is None:
            raise EtldError(_NO_PLACE.format(source=config.source), code="ETLD-D020")
        try:
            with locked(directory):
                yield self._load(), directory
        except OSError as error:
            raise EtldError(
                f"cannot change corrector.rules_dir {directory}: {error.strerror}", code="ETLD-D020"
            ) from error


def _known(config: Config) -> list[KnownRule]:
    known = []
    for rule in config.corrector.rules:
        file = rule.in_file.path if rule.in_file else None
        place = str(file or config.source) + (f":{rule.line}" if rule.line and file is None else "")
        known.append(KnownRule(rule.name, rule.match, rule.steps, rule.hook, file, place))
    return known


def _named(known: list[KnownRule], name: str) -> KnownRule:
    for rule in known:
        if rule.name == name:
            return rule
    names = [rule.name for rule in known]
    raise EtldError(
        f"there is no rule {name!r}{did_you_mean(name, names) or '; the rules are ' + ', '.join(names)}",
        code="ETLD-D019",
    )


def _target(known: list[KnownRule], name: str, wanted: Path, *, replace: bool) -> Path:
    """The file that a rule of this name may be written to; raises `EtldError`."""
    for rule in known:
        if rule.name != name:
            continue
        if replace and rule.file is not None:
            return rule.file
        hint = "" if rule.file is None else "; --replace overwrites it"
        raise EtldError(f"there is a rule {name!r} already, in {rule.place}{hint}", code="ETLD-D020")
    if wanted.exists() or wanted.is_symlink():
        raise EtldError(f"{wanted} is there already: give the rule's file another name", code="ETLD-D020")
    return wanted
