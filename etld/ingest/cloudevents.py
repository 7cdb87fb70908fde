"""CloudEvents 1.0 over HTTP: which of the three modes a request has, and what event a CloudEvent is.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from __future__ import annotations

import base64
import binascii
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from etld.events.ids import canonical, derived
from etld.ingest.http.answers import HttpRefusal, problem
from etld.ingest.strict_json import NotJson, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etld.config.sections.ingest import CloudEventSection
    from etld.ingest.http.request import HttpRequest
    from etld.schemas.catalog import Catalog

STRUCTURED, BATCHED, BINARY = "structured", "batched", "binary"
_REQUIRED = ("specversion", "id", "source", "type")


class NotCloudEvent(Exception):
    """It breaks the specification; the message says where."""


def mode_of(http: HttpRequest) -> str | None:
    """The mode of a request; None of one that brings no CloudEvents. Raises `HttpRefusal` for another format."""
    headers = http.headers
    binary = "ce-specversion" in headers or "ce-id" in headers
    if not binary and "cloudevents" not in headers.get("content-type", "").lower():
        return None
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media.startswith("application/cloudevents"):
        mode = {"application/cloudevents+json": STRUCTURED, "application/cloudevents-batch+json": BATCHED}.get(media)
        if mode is None:
            detail = f"{media[:100]}: CloudEvents are taken as +json here"
            raise HttpRefusal(problem(415, "unsupported_media_type", detail))
        return mode
    if not binary:
        return None
    if media and not (media.endswith("+json") or media in ("application/json", "text/json")):
        detail = f"the data of a CloudEvent is JSON here, this is {media[:100]}"
        raise HttpRefusal(problem(415, "unsupported_media_type", detail))
    return BINARY


def from_headers(http: HttpRequest, data: Any) -> dict[str, Any]:
    """The CloudEvent of a request in binary mode: its attributes are headers, percent-encoded."""
    found: dict[str, Any] = {
        name[3:]: unquote(value.strip('"'), errors="replace")
        for name, value in http.headers.items()
        if name.startswith("ce-")
    }
    return {**found, "data": data}


class CloudEvents:
    """Makes events of CloudEvents, by `[ingest.cloudevents]`: their `type` to event type and name."""

    def __init__(self, types: Mapping[str, CloudEventSection], catalog: Catalog, max_depth: int) -> None:
        self._types = types
        self._catalog = catalog
        self._max_depth = max_depth

    def event(self, sent: Any) -> dict[str, Any]:
        """The event in etld's spelling; raises `NotCloudEvent`."""
        if type(sent) is not dict:
            raise NotCloudEvent("a CloudEvent is a JSON object")
        for name in _REQUIRED:
            value = sent.get(name)
            if type(value) is not str or not value:
                raise NotCloudEvent(f"{name}: expected text, which every CloudEvent has")
        if sent["specversion"] != "1.0":
            raise NotCloudEvent(f"specversion: expected 1.0, got {sent['specversion'][:20]}")
        when = sent.get("time")
        if when is not None and type(when) is not str:
            raise NotCloudEvent("time: expected an RFC 3339 timestamp")
        data = self._data(sent)
        name, kind = self._name(sent["type"])
        made = {
            "event_id": event_id_of(sent["source"], sent["id"]),
            "event_name": name,
            "triggered_at": time.time() if when is None else when,
            **({} if kind is None else {"event_type": kind}),
        }
        if type(data) is not dict:
            return {**made, "user_details": {}, "event_details": data}
        user = data.get("user_details", {})
        details = {key: value for key, value in data.items() if key != "user_details"}
        if "event_details" in details and len(details) == 1:
            details = details["event_details"]
        return {**made, "user_details": user, "event_details": details}

    def _name(self, kind: str) -> tuple[str, str | None]:
        """(event name, event type) of a CloudEvent's type; None where nothing tells the type."""
        known = self._types.get(kind)
        if known is not None:
            return known.event_name, known.event_type
        only = self._catalog.of_event(kind)
        return kind, None if only is None else only.name

    def _data(self, sent: Mapping[str, Any]) -> Any:
        packed = sent.get("data_base64")
        if packed is None:
            return sent.get("data")
        if "data" in sent:
            raise NotCloudEvent("data and data_base64: expected one of them")
        try:
            return parse(base64.b64decode(packed, validate=True), self._max_depth)
        except (binascii.Error, ValueError, TypeError, NotJson):
            raise NotCloudEvent("data_base64: expected JSON in base64") from None


def event_id_of(source: str, own: str) -> str:
    """The event id of a CloudEvent: its id when that is a UUID; else of id and source, which tell it together."""
    try:
        return canonical(own)
    except ValueError:
        return derived("ce-id", f"{source}\x1f{own}", 0)
