"""Which kinds of workers a host runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from etld.config import Config, parse
from etld.errors import ConfigError
from etld.supervisor.kinds import KINDS, specs

SOURCE = Path(__file__).parents[3] / "config" / "etld.toml"


def config(run: str) -> Config:
    """The one that ships, with another list."""
    return parse(re.sub(r"(?m)^run = .*$", f"run = {run}", SOURCE.read_text()), SOURCE, {})


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ('["ingest", "procesor"]', "roles.run[1]: expected 'ingest', 'processor'"),
        ('["ingest", "ingest"]', "roles.run: 'ingest' stands there twice"),
        ("[]", "roles.run: expected at least one"),
    ],
)
def test_mistakes_are_named(run: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        config(run)


def test_a_host_runs_its_kinds_with_set_up_and_the_servers_it_brings_along() -> None:
    """However many others the configuration asks for."""
    kinds = {one.kind for one in specs(KINDS, config('["ingest", "corrector"]'))}
    assert kinds == {"embedded-kafka", "embedded-postgres", "setup", "ingest", "corrector"}
    assert config('["ingest"]').runs("setup")
