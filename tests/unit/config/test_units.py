"""Sizes and durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etld.config.units import format_duration, format_size, parse_duration, parse_size

SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 1000, "MB": 10**6, "GB": 10**9}
SPANS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


@given(st.integers(0, 1000), st.sampled_from(sorted(SIZES)), st.sampled_from(["", " ", "  "]))
def test_sizes(number: int, unit: str, gap: str) -> None:
    """With and without a space, in any case."""
    for text in (f"{number}{gap}{unit}", f" {number}{gap}{unit.upper()} ", f"{number}{gap}{unit.lower()}"):
        assert parse_size(text) == number * SIZES[unit]


@given(st.integers(0, 10_000_000), st.sampled_from(sorted(SPANS)))
def test_durations(thousandths: int, unit: str) -> None:
    """Decimals too, without a rounding error in between."""
    if thousandths * SPANS[unit] > 100 * 365 * 86_400_000_000:
        thousandths %= 1000
    text = f"{thousandths // 1000}.{thousandths % 1000:03d} {unit}"
    assert parse_duration(text) == pytest.approx(thousandths * SPANS[unit] / 1e6, rel=1e-15)


@given(st.integers(0, 1 << 50))
def test_a_size_is_written_as_it_is_read(size: int) -> None:
    """Nothing is lost."""
    assert parse_size(format_size(size)) == size


@given(st.integers(0, 10**12))
def test_a_duration_is_written_as_it_is_read(millis: int) -> None:
    """To the millisecond."""
    assert parse_duration(format_duration(millis / 1000)) == millis / 1000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 s"), (0.05, "50 ms"), (90.0, "90 s"), (300.0, "5 min"), (604800.0, "7 d"), (1.5, "1500 ms")],
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    """In the largest unit that needs no decimals."""
    assert format_duration(seconds) == text


@pytest.mark.parametrize("size", ["64 KiB", "1 MiB", "0 B", "1000 B"])
def test_sizes_are_written_for_people(size: str) -> None:
    """The same."""
    assert format_size(parse_size(size)) == size


BAD = [
    "",
    "1",
    "s",
    "1 parsec",
    "-1 s",
    "1e3 s",
    "1 s 2",
    "٣ s",
    "1_000 s",
    "nan s",
    "inf s",
    "9" * 30 + " d",
    None,
    True,
    [1],
    1.5,
]


@pytest.mark.parametrize("value", [*BAD, 10])
def test_what_is_no_duration(value: object) -> None:
    """A bare number has no unit, so it is none; the answer shows examples and what came."""
    with pytest.raises(ValueError, match=r'expected a duration such as .*"5 min".*, got '):
        parse_duration(value)


@pytest.mark.parametrize("value", [*BAD, -1, 1 << 60, "10 s"])
def test_what_is_no_size(value: object) -> None:
    """A whole number is bytes; nothing negative, nothing absurd."""
    with pytest.raises(ValueError, match=r'expected a size such as "64 KiB".*, got '):
        parse_size(value)


@given(st.text())
def test_nonsense_is_a_number_or_a_clear_word(text: str) -> None:
    """Whatever is written."""
    for parser in (parse_size, parse_duration):
        try:
            number, word = parser(text), ""
        except ValueError as error:
            number, word = 0, str(error)
        assert number >= 0
        assert word == "" or word.startswith("expected a ")


def test_a_long_value_is_not_repeated_in_full() -> None:
    """A pasted file does not fill the screen."""
    with pytest.raises(ValueError, match="…") as raised:
        parse_size("x" * 10_000)
    assert len(str(raised.value)) < 200
