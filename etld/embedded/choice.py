"""Which broker the embedded one is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from etld.embedded import jars, java, tansu

if TYPE_CHECKING:
    from etld.config import Config

Broker = Literal["kafka", "tansu"]


def choose(config: Config) -> Broker:
    """What kafka.embedded_broker says; "auto": Apache Kafka where it can run, else Tansu (in memory)."""
    asked = config.kafka.embedded_broker
    if asked != "auto":
        return asked
    return "tansu" if missing(cache_dir(config)) else "kafka"


def missing(cache: Path) -> str:
    """What Apache Kafka lacks here; "" when it can run."""
    if java.find() is None:
        return f"Java {java.OLDEST} or newer"
    if not jars.directory(cache).is_dir() and jars.maven() is None:
        return "Maven"
    return ""


def notice(config: Config) -> str:
    """What it means that the embedded broker is Tansu, and why it is."""
    lacks = missing(cache_dir(config)) if config.kafka.embedded_broker == "auto" else ""
    return f"{lacks} was not found: {tansu.NOTICE}" if lacks else tansu.NOTICE


def cache_dir(config: Config) -> Path:
    """Where the broker's jars are kept: the user's cache, else the state directory."""
    return jars.cache_dir(config.state_dir / "cache")
