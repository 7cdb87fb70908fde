"""What etld can store, decided once: ingest, processor and aggregator all read these."""

from __future__ import annotations

INT32_MIN = -(2**31)
INT32_MAX = 2**31 - 1
INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1
# Beyond this the step between two doubles is more than 1, so that an integer may not fit exactly.
EXACT_DOUBLE = 2**53
EXACT_FLOAT = 2**24
FLOAT_MAX = 3.4028234663852886e38

# Microseconds since 1970-01-01 UTC of 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z: what
# PostgreSQL, Polars and RFC 3339 all hold and write the same way.
TIME_MIN = -62_135_596_800_000_000
TIME_MAX = 253_402_300_799_999_999
# The same range in days.
DATE_MIN = -719_162
DATE_MAX = 2_932_896
DAY_MICROS = 86_400_000_000

# Longest event_name and event_type, in characters.
MAX_NAME = 200

# The fields of every event, in the order of its Avro record.
FIELDS = ("event_id", "event_name", "event_type", "triggered_at", "user_details", "event_details")


def storable_text(text: str) -> bool:
    """Whether PostgreSQL's text and jsonb can hold `text`: no NUL, no lone surrogate."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
