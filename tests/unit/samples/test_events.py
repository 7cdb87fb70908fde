"""Sample events of any schema."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from etld.events.validate import Invalid, Valid
from etld.samples import broken
from etld.samples.events import make
from etld.schemas import checks
from etld.schemas.event_schema import EventSchema
from support.event_schemas import schemas
from support.event_types import event_type

_NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@given(schemas(), st.integers(0, 99))
def test_samples_are_valid_and_broken_ones_are_not(schema: EventSchema, seed: int) -> None:
    """Whatever maps and unions the schema has."""
    kind = event_type(json.loads(schema.text), "parcel", event_names=("parcel_sent",))
    validator = checks.validator(kind)
    event = make(kind, Random(seed), _NOW)
    result = validator.validate(event)
    assert isinstance(result, Valid), result
    broken.break_one(event, seed, lambda tried: isinstance(validator.validate(tried), Valid))
    assert isinstance(validator.validate(event), Invalid)
