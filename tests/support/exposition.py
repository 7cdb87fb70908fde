"""Prometheus's text format, read as a scraper reads it."""

from __future__ import annotations

import re
import urllib.request
from dataclasses import dataclass, field

_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')

Labels = frozenset[tuple[str, str]]


@dataclass
class Family:
    """One metric: its help, its kind, and its samples by name and labels."""

    help: str
    kind: str = ""
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)


@dataclass
class Exposition:
    """All of a scrape."""

    families: dict[str, Family]

    @property
    def samples(self) -> dict[tuple[str, Labels], float]:
        """Every sample of every family."""
        return {key: value for family in self.families.values() for key, value in family.samples.items()}

    def total(self, name: str, **labels: str) -> float:
        """The sum of a sample over all that has these labels; KeyError when there is none."""
        found = [v for (n, has), v in self.samples.items() if n == name and has >= frozenset(labels.items())]
        if not found:
            raise KeyError(name)
        return sum(found)


def parse(text: str) -> Exposition:
    """Strict: a sample belongs to the family above it, and comes once."""
    families: dict[str, Family] = {}
    current = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current, _, told = line[7:].partition(" ")
            assert current not in families, f"{current} twice"
            families[current] = Family(told)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name == current, line
            families[name].kind = kind
        else:
            found = _LINE.fullmatch(line)
            assert found is not None, line
            assert found[1].startswith(current), line
            labels = frozenset((name, value) for name, value in _LABEL.findall(found[2] or ""))
            key = (found[1], labels)
            assert key not in families[current].samples, f"{line} twice"
            families[current].samples[key] = float(found[3])
    return Exposition(families)


def scrape(url: str) -> Exposition:
    """GET URL/metrics."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return parse(answer.read().decode())
