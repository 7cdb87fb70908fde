"""What is wrong with [ingest] that only its own parts can tell: keys, certificate, proxies, Segment's spelling."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from etld.config.mistakes import Mistake
from etld.config.sections.ingest import DEAD_LETTER, IGNORE
from etld.events.limits import FIELDS
from etld.ingest import keys
from etld.util import addresses
from etld.util.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from etld.config import Config
    from etld.config.key_path import KeyPath
    from etld.config.sections.ingest import IngestSection


def check(config: Config, _data: dict[str, Any], _removed: frozenset[KeyPath]) -> Iterator[Mistake]:
    """Every mistake in the files of keys and certificate, in trusted_proxies, metrics and other spellings."""
    ingest = config.ingest
    if ingest.keys_file is not None and os.access(ingest.keys_file, os.F_OK):
        for message in keys.check(ingest.keys_file, config.event_types):
            yield Mistake(("ingest", "keys_file"), message, code="ETLD-C013")
    yield from _certificate(ingest)
    for message in addresses.check(ingest.trusted_proxies):
        yield Mistake(("ingest", "trusted_proxies"), message)
    if ingest.metrics == "key" and ingest.keys_file is None:
        yield Mistake(("ingest", "metrics"), '"key" needs write keys: set ingest.keys_file', code="ETLD-C013")
    for call, choice in ingest.segment_calls:
        message = _segment_call(config, call, choice)
        if message:
            yield Mistake(("ingest", "segment_calls", call), message)
    for name, event in ingest.cloudevents.items():
        if event.event_type not in config.event_types:
            hint = did_you_mean(event.event_type, config.event_types)
            message = f"expected an event type, got {event.event_type!r}{hint}"
            yield Mistake(("ingest", "cloudevents", name, "event_type"), message)
    for target, message in _segment_map(ingest.segment_map):
        yield Mistake(("ingest", "segment_map", target), message)


def _certificate(ingest: IngestSection) -> Iterator[Mistake]:
    """What is missing is told elsewhere."""
    files = (ingest.tls_cert_file, ingest.tls_key_file)
    if all(path is not None and os.access(path, os.F_OK) for path in files):
        from etld.ingest import certificate

        try:
            certificate.load(ingest)
        except certificate.CertificateProblem as error:
            yield Mistake(("ingest", error.key), error.reason, code="ETLD-C012")


def _segment_call(config: Config, call: str, choice: str) -> str:
    """Why this cannot become of a call; "" when it can."""
    known = (*config.event_types, IGNORE, DEAD_LETTER)
    if choice not in known:
        return f'expected an event type, "{IGNORE}" or "{DEAD_LETTER}", got {choice!r}{did_you_mean(choice, known)}'
    kind = config.event_types.get(choice)
    if kind is not None and kind.event_names and call not in kind.event_names:
        return f"[event_types.{choice}] event_names does not list {call!r}, which is the name of the call's event"
    return ""


def _segment_map(mapping: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What can never work, by its target."""
    for target, sources in mapping.items():
        first, *rest = target.split(".")
        if first not in FIELDS:
            yield target, f"expected a target in {', '.join(FIELDS)}{did_you_mean(first, FIELDS)}"
        elif not all(step.strip() for step in rest):
            yield target, "a step of this target is empty"
        elif rest and not first.endswith("_details"):
            yield target, f"{first} has no parts"
        for source in sources.split("|"):
            if not all(step.strip() for step in source.split(".")):
                yield target, f"expected a path such as context.traits.email, got {source.strip()!r}"
