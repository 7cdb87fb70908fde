"""The shipped configuration, and more, as the dashboards are made of it."""

from __future__ import annotations

from pathlib import Path

from etld.bi import build
from etld.bi.model import Dashboards
from etld.config import Config, parse
from etld.supervisor.config_checks import CHECKS

ROOT = Path(__file__).parents[2]


def shipped(more: str = "") -> Config:
    """The shipped configuration with text behind it."""
    path = ROOT / "config" / "etld.toml"
    return parse(path.read_text() + more, path, {}, CHECKS)


def dashboards(more: str = "") -> Dashboards:
    """Its dashboards."""
    return build.dashboards(shipped(more))
