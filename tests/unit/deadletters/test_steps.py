"""Each step alone: what it changes, what it leaves, and which options it refuses."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etld.deadletters.rules import steps
from etld.deadletters.rules.steps.base import RuleError
from etld.schemas import shape, tree
from support.fake_catalog import PURCHASE, event

SHAPE = shape.of(tree.parse(PURCHASE))


def applied(step: dict[str, Any], to: dict[str, Any], *, known: bool = True) -> dict[str, Any]:
    changed = deepcopy(to)
    steps.parse(step).apply(changed, SHAPE if known else None)
    return changed


def detail(step: dict[str, Any], **details: Any) -> dict[str, Any]:
    result: dict[str, Any] = applied(step, event(**details))["event_details"]
    return result


@pytest.mark.parametrize(
    ("field", "given_", "wanted"),
    [
        ("price", "12.50", 12.5),
        ("price", "7", 7.0),
        ("price", "1e3", 1000.0),
        ("price", "12,50", "12,50"),
        ("price", " 7", " 7"),
        ("price", "nan", "nan"),
        ("price", "1e999", "1e999"),
        ("price", "1e-400", "1e-400"),
        ("price", "1e-99999999999999999999", "1e-99999999999999999999"),
        ("price", "0.1000", 0.1),
        ("price", "9007199254740993", "9007199254740993"),
        ("price", "9007199254740993.0", "9007199254740993.0"),
        ("price", "0.12345678901234567890123", "0.12345678901234567890123"),
        ("item_id", "7", 7),
        ("item_id", "7.0", 7),
        ("item_id", 7.0, 7),
        ("item_id", 7.5, 7.5),
        ("item_id", "9223372036854775808", "9223372036854775808"),
        ("item_id", "1_000", "1_000"),
        ("item_id", "٣", "٣"),
        ("item_id", None, None),
        ("item_id", True, True),
        ("item_name", 42, "42"),
        ("item_name", 1.5, "1.5"),
        ("item_name", True, "true"),
        ("gift", "TRUE", True),
        ("gift", 0, False),
        ("gift", "maybe", "maybe"),
        ("tags", '["a"]', ["a"]),
        ("tags", [1, "b"], ["1", "b"]),
        ("tags", '{"a": 1}', '{"a": 1}'),
    ],
)
def test_cast_changes_only_what_loses_nothing(field: str, given_: Any, wanted: Any) -> None:
    """Text becomes a number and a number text where the schema says so, and the value is the same."""
    got = detail({"cast": "*"}, **{field: given_})[field]
    assert got == wanted
    assert type(got) is type(wanted)


@pytest.mark.parametrize(
    ("given_", "wanted"), [("1767225600", 1767225600.0), ("20261231", "20261231"), ("31/12/2026", "31/12/2026")]
)
def test_cast_takes_text_for_seconds_only_where_it_can_be_nothing_else(given_: str, wanted: Any) -> None:
    """A date of eight digits is not a time in 1970."""
    assert applied({"cast": "*"}, {**event(), "triggered_at": given_})["triggered_at"] == wanted


def test_cast_by_name_and_type() -> None:
    """`to` casts where the schema has nothing to say."""
    step = {"cast": {"field": "event_details.extra", "to": "long"}}
    assert detail(step, extra="5")["extra"] == 5


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_cast_brings_back_any_integer(number: int) -> None:
    """An integer written as text is that integer again."""
    assert detail({"cast": "*"}, item_id=str(number))["item_id"] == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_cast_brings_back_any_double(number: float) -> None:
    """A double written as text is that double again."""
    assert detail({"cast": "*"}, price=str(number))["price"] == number


@given(st.from_regex(r"-?[0-9]{1,25}(\.[0-9]{1,25})?", fullmatch=True))
def test_cast_to_double_keeps_what_the_text_says(text: str) -> None:
    """A whole number is exactly that number; a fraction is written back with the digits that it had."""
    got = detail({"cast": "*"}, price=text)["price"]
    said = Decimal(text)
    if isinstance(got, float):
        digits = "".join(map(str, said.as_tuple().digits)).strip("0")
        assert Decimal(got) == said or (said % 1 != 0 and len(digits) <= 17)
    else:
        assert got == text
        assert Decimal(float(text)) != said


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_no_step_breaks_on_any_value(value: Any) -> None:
    """Whatever is in a field, a step changes it or leaves it."""
    every = [
        {"cast": "*"},
        {"trim": "*"},
        {"lower": "*"},
        {"upper": "*"},
        {"rename": "*"},
        {"unwrap": "*"},
        {"default": "*"},
        {"drop_field": "*"},
        {"clamp": {"field": "*", "min": 0, "max": 9}},
        {"regex_replace": {"field": "*", "pattern": "a", "replace": "b"}},
        {"map_values": {"field": "*", "values": {"a": "b"}}},
        {"parse_date": {"field": "*", "formats": ["%d/%m/%Y", "epoch_s", "epoch_ms", "epoch_us"]}},
        {"parse_date": {"field": "*", "formats": ["day_first", "month_first", "year_first"]}},
        {"parse_number": {"field": "*", "decimal": ","}},
        {"move": {"from": "event_details.price", "to": "user_details.price"}},
        {"move": {"from": "event_details", "to": ""}},
        {"split": {"field": "event_details.price", "separator": ",", "into": ["a", "b.c"]}},
        {"join": {"fields": ["event_details.price", "event_name"], "into": "event_details.price.x"}},
        {"set": {"field": "event_details.price.x", "value": 1}},
    ]
    for broken in (event(price=value), {"event_details": value}, {"event_type": value, "user_details": [value]}):
        for step in every:
            applied(step, broken)
            applied(step, broken, known=False)


def test_trim_takes_white_space_off_every_text_but_the_id() -> None:
    """Known and unknown fields alike; event_id is not a rule's to change."""
    broken = {**event(item_name=" lamp\t", other=" x "), "event_name": "added_to_cart  ", "event_id": " id "}
    got = applied({"trim": "*"}, broken)
    assert got["event_name"] == "added_to_cart"
    assert got["event_details"]["item_name"] == "lamp"
    assert got["event_details"]["other"] == "x"
    assert got["event_id"] == " id "


def test_trim_below_a_path() -> None:
    """A path that ends in ".*" leaves the rest of the event alone."""
    got = applied({"trim": "event_details.*"}, {**event(item_name=" a "), "event_name": " b "})
    assert (got["event_details"]["item_name"], got["event_name"]) == ("a", " b ")


def test_lower_and_upper() -> None:
    """Also when the event's type is not known yet."""
    assert applied({"lower": "event_type"}, {"event_type": "PURCHASE"}, known=False) == {"event_type": "purchase"}
    assert detail({"upper": ["event_details.size"]}, size="m")["size"] == "M"


def test_an_item_of_a_list_has_a_path() -> None:
    """As in `where` and for `--set`; beyond the end there is nothing."""
    step = {"cast": ["event_details.tags.1", "event_details.tags.7", "event_details.tags.x"]}
    assert detail(step, tags=[1, 2, 3])["tags"] == [1, "2", 3]
    assert detail({"upper": "event_details.tags.0"}, tags=["a", "b"])["tags"] == ["A", "b"]


@pytest.mark.parametrize(
    "step",
    [
        {"rename": {"from": "event_detials", "to": "event_details"}},
        {"move": {"from": "event_detials.price", "to": "event_details.price"}},
        {"drop_field": "evnt_type"},
        {"unwrap": "events"},
        {"trim": "event"},
        {"set": {"field": "event_time", "value": 1}},
    ],
)
def test_a_misspelt_part_can_be_named_where_it_is_put_right(step: dict[str, Any]) -> None:
    """And a name of its own is no misspelling."""
    assert steps.parse(step)


def test_rename() -> None:
    """A field gets its name where it stands, unless that name is taken."""
    step = {"rename": {"from": ["event_details.prise", "event_details.cost"], "to": "price"}}
    broken = event(cost=3.0)
    del broken["event_details"]["price"]
    assert applied(step, broken)["event_details"]["price"] == 3.0
    assert detail(step, prise=9.0)["price"] == 12.5


@pytest.mark.parametrize(
    ("wrong", "right"), [("prise", "price"), ("itemName", "item_name"), ("itm_id", "item_id"), ("Price", "price")]
)
def test_rename_by_likeness(wrong: str, right: str) -> None:
    """A name that is unknown becomes the missing one it resembles."""
    broken = event()
    value = broken["event_details"].pop(right)
    broken["event_details"][wrong] = value
    assert applied({"rename": "*"}, broken) == event()


def test_rename_by_likeness_finds_the_type_too() -> None:
    """Without it there is no schema yet."""
    misspelt = {("evnt_type" if key == "event_type" else key): value for key, value in event().items()}
    assert applied({"rename": "*"}, misspelt, known=False) == event()


def test_rename_by_likeness_drops_the_twin_of_the_id() -> None:
    """Ingest took the event's id from it; another one stays."""
    own = event()["event_id"]
    assert applied({"rename": "*"}, {**event(), "eventId": own.upper()}) == event()
    assert applied({"rename": "*"}, {**event(), "sessionId": own}) == {**event(), "sessionId": own}
    other = {**event(), "eventId": own.replace("1", "2")}
    assert applied({"rename": "*"}, other) == other


def test_rename_by_likeness_does_not_guess() -> None:
    """A name that resembles nothing stays."""
    broken = event()
    broken["event_details"]["colour"] = broken["event_details"].pop("price")
    assert applied({"rename": "*"}, broken) == broken


def test_move() -> None:
    """To another object, and an object into another."""
    broken = {**event(), "price": 1.0}
    del broken["event_details"]["price"]
    assert applied({"move": {"from": "price", "to": "event_details.price"}}, broken) == event(price=1.0)
    envelope = {"data": event()}
    assert applied({"move": {"from": "data", "to": ""}}, envelope, known=False) == event()
    nested = {**event(), "event_details": {"event_details": event()["event_details"]}}
    step = {"move": {"from": "event_details.event_details", "to": "event_details"}}
    assert applied(step, nested) == event()
    assert (
        detail({"move": {"from": "event_details.price.value", "to": "event_details.price"}}, price={"value": 2.0})[
            "price"
        ]
        == 2.0
    )


@pytest.mark.parametrize(
    "nested",
    [
        {"event": event()},
        {"event_id": event()["event_id"], "data": {k: v for k, v in event().items() if k != "event_id"}},
        {**event(), "event_details": {"event_details": event()["event_details"]}},
        {**event(), "event_details": {"details": event()["event_details"]}},
        {**event(), "event_details": {"item": {"item_id": 1, "item_name": "lamp"}, "price": 12.5}},
        {**event(), "user_details": {"user": {"user_id": 7}}},
        event(price={"value": 12.5}),
        {**event(), "event_details": [event()["event_details"]]},
        {"event_details": event(), "event_id": event()["event_id"]},
        {
            **{k: v for k, v in event().items() if k != "user_details"},
            "event_details": {**event()["event_details"], "user_details": {"user_id": 7}},
        },
    ],
)
def test_unwrap_takes_off_one_level(nested: dict[str, Any]) -> None:
    """An envelope, a doubled object, an object of its own, a boxed value, an object inside its neighbour."""
    got = deepcopy(nested)
    step = steps.parse({"unwrap": "*"})
    step.apply(got, SHAPE if got.get("event_type") == "purchase" else None)
    step.apply(got, SHAPE)
    assert got == event()


@pytest.mark.parametrize(
    "box",
    [
        {"a": 798},
        {"discount": 798},
        {"old_price": 798.0},
        {"a": {"value": 798}},
        {"value": 798, "currency": "EUR"},
        {},
    ],
)
def test_unwrap_takes_no_box_that_it_does_not_know(box: dict[str, Any]) -> None:
    """Another key says something: what is in it is not the price."""
    assert detail({"unwrap": "*"}, price=box)["price"] == box
    assert detail({"unwrap": "event_details"}, price=box)["price"] == box


@pytest.mark.parametrize(
    ("field", "box", "value"),
    [
        ("price", {"Value": 12.5}, 12.5),
        ("price", {"double": 12.5}, 12.5),
        ("price", {"$numberDouble": "12.5"}, "12.5"),
        ("price", {"data": {"value": 12.5}}, 12.5),
        ("item_name", {"string": "lamp"}, "lamp"),
        ("item_name", {"$oid": "65f"}, "65f"),
        ("item_id", {"payload": {"$numberLong": "7"}}, "7"),
        ("tags", {"value": ["a"]}, ["a"]),
    ],
)
def test_unwrap_knows_boxes(field: str, box: dict[str, Any], value: Any) -> None:
    """By their usual names, those of MongoDB's extended JSON, and those of Avro's types."""
    assert detail({"unwrap": "*"}, **{field: box})[field] == value


def test_unwrap_lifts_only_out_of_wrappers() -> None:
    """What a key of another name holds may be another's details."""
    details = event()["event_details"]
    assert applied({"unwrap": "*"}, {**event(), "event_details": {"details": details}}) == event()
    before = {**event(), "event_details": {"previous": details}}
    assert applied({"unwrap": "*"}, before) == before
    envelope = {"replaces": event()}
    assert applied({"unwrap": "*"}, envelope, known=False) == envelope


def test_unwrap_takes_the_keys_it_is_told_and_no_other() -> None:
    """Anywhere, or below a field."""
    told = {"unwrap": {"keys": ["a", "Box"]}}
    assert detail(told, price={"A": {"box": 1.5}}, item_id={"value": 7})["price"] == 1.5
    assert detail(told, item_id={"value": 7})["item_id"] == {"value": 7}
    assert applied(told, {"box": event()}, known=False) == event()
    below = {"unwrap": {"keys": "a", "field": "event_details"}}
    broken = {**event(price={"a": 1.5}), "user_details": {"user_id": {"a": 7}}}
    got = applied(below, broken)
    assert (got["event_details"]["price"], got["user_details"]["user_id"]) == (1.5, {"a": 7})


def test_unwrap_loses_nothing() -> None:
    """An envelope that says otherwise than what is in it stays."""
    twofold = {**event(), "data": {"event_name": "another", "event_details": {}}}
    assert applied({"unwrap": "*"}, twofold, known=False) == twofold


def test_unwrap_leaves_a_good_event() -> None:
    """Nothing to take off."""
    assert applied({"unwrap": "*"}, event()) == event()


def test_default() -> None:
    """Missing and null are filled, anything else stays; unknown fields are not made."""
    step = {"default": {"field": ["event_details.item_name", "event_details.carrier"], "value": "unknown"}}
    assert detail(step, item_name=None) == {**event()["event_details"], "item_name": "unknown"}
    assert detail(step, item_name="") == {**event()["event_details"], "item_name": ""}
    without = event()
    del without["event_details"]["item_name"]
    assert applied(step, without)["event_details"]["item_name"] == "unknown"


def test_default_of_the_schema() -> None:
    """A null that the schema forbids becomes its default."""
    got = detail({"default": "*"}, gift=None, size=None, price=None)
    assert (got["gift"], got["size"], got["price"]) == (False, None, None)


def test_set_and_drop() -> None:
    """A fixed value whatever was there; a field less; every unknown field less."""
    assert applied({"set": {"field": "user_details.country", "value": "DE"}}, event())["user_details"] == {
        "user_id": 7,
        "country": "DE",
    }
    assert "debug" not in detail({"drop_field": "event_details.debug"}, debug=1)
    assert applied({"drop_field": "*"}, {**event(debug=1), "x": 1}) == event()


def test_regex_replace() -> None:
    """Groups go into the replacement."""
    step = {"regex_replace": {"field": "event_details.price", "pattern": r"^(\d+),(\d+)$", "replace": r"\1.\2"}}
    assert detail(step, price="12,50")["price"] == "12.50"
    assert detail(step, price=12)["price"] == 12


def test_map_values() -> None:
    """By table, with or without regard to case, and with a value for the rest."""
    table = {"field": "event_details.item_name", "values": {"LAMP": "Lamp", "1": "one"}}
    assert detail({"map_values": table})["item_name"] == "lamp"
    assert detail({"map_values": {**table, "ignore_case": True}})["item_name"] == "Lamp"
    assert detail({"map_values": {**table, "other": "?"}})["item_name"] == "?"
    assert detail({"map_values": {**table, "other": "?"}}, item_name="Lamp")["item_name"] == "Lamp"
    assert detail({"map_values": table}, item_name=1)["item_name"] == "one"


def test_clamp() -> None:
    """Numbers only."""
    step = {"clamp": {"field": "event_details.price", "min": 0, "max": 100}}
    assert [detail(step, price=p)["price"] for p in (-1, 5.5, 1e9, "-1")] == [0, 5.5, 100, "-1"]


def test_split_and_join() -> None:
    """One text into fields and back."""
    split = {
        "split": {
            "field": "user_details.contact",
            "separator": ";",
            "into": ["user_details.name", "user_details.country"],
        }
    }
    broken = {**event(), "user_details": {"user_id": 7, "contact": "Ada; GB"}}
    good = {"user_id": 7, "name": "Ada", "country": "GB"}
    assert applied(split, broken)["user_details"] == good
    join = {
        "join": {"fields": ["user_details.name", "user_details.country"], "separator": ";", "into": "user_details.name"}
    }
    assert applied(join, {**event(), "user_details": good})["user_details"] == {"user_id": 7, "name": "Ada;GB"}
    few = {**event(), "user_details": {"user_id": 7, "contact": "Ada"}}
    assert applied(split, few) == few


def _leaves(value: Any) -> list[str]:
    """Every value that is neither an object nor a list, as text."""
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in _leaves(inner)]
    return [] if value is None else [str(value).lower() if isinstance(value, bool) else str(value)]


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab,", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@given(_VALUES, _VALUES, st.sampled_from(("event_details.price.x", "event_name.x", "event_details.price", "a.b")))
def test_split_and_join_lose_nothing(value: Any, other: Any, into: str) -> None:
    """Whatever stands in a source or in the way: each value is there afterwards, alone or within a text."""
    broken = {**event(price=value), "a": other}
    split = {"split": {"field": "event_details.price", "separator": ",", "into": [f"{into}.c", "new"]}}
    join = {"join": {"fields": ["event_details.price", "event_name"], "separator": ",", "into": into}}
    for step in (split, join):
        got = applied(step, broken)
        if got == broken:
            continue
        there = ",".join(_leaves(got))
        for leaf in _leaves({**broken, "a": None}):
            assert all(part.strip() in there for part in leaf.split(","))


@pytest.mark.parametrize(
    ("step", "broken"),
    [
        (
            {"split": {"field": "event_details.price", "separator": ",", "into": ["event_name.a", "b"]}},
            event(price="1,2"),
        ),
        ({"join": {"fields": ["event_name", "event_details.price"], "into": "user_details.user_id.x"}}, event()),
        ({"join": {"fields": ["event_name", "event_details.tags"], "into": "new"}}, event(tags=["a"])),
    ],
)
def test_split_and_join_leave_what_has_no_place(step: Any, broken: dict[str, Any]) -> None:
    """A value in the way, or a list among the sources: nothing happens."""
    assert applied(step, broken) == broken


@pytest.mark.parametrize(
    ("step", "path", "words"),
    [
        ({"cats": "*"}, ("cats",), "did you mean 'cast'"),
        ({"cast": "*", "trim": "*"}, (), "expected one step"),
        ("cast", (), "expected one step"),
        ({"cast": 7}, ("cast",), "expected a text"),
        ({"cast": "a..b"}, ("cast",), "not a field path"),
        ({"cast": "event_id"}, ("cast",), "identity"),
        ({"cast": {"field": "a", "to": "text"}}, ("cast", "to"), "expected one of string"),
        ({"set": {"field": "a"}}, ("set",), "'value' is missing"),
        ({"set": {"field": "a", "value": 1, "valeu": 1}}, ("set", "valeu"), "did you mean 'value'"),
        ({"set": {"field": "event_id", "value": 1}}, ("set", "field"), "identity"),
        ({"rename": {"from": "a.b", "to": "c.d"}}, ("rename", "to"), "use move"),
        ({"move": {"from": "a", "to": "a.b"}}, ("move", "to"), "into itself"),
        ({"move": {"from": "a", "to": "event_id"}}, ("move", "to"), "identity"),
        (
            {"parse_date": {"field": "a", "formats": ["%d/%m/%Y", "epoch_millis"]}},
            ("parse_date", "formats", 1),
            "epoch_ms",
        ),
        ({"parse_date": {"field": "a", "formats": ["dayfirst"]}}, ("parse_date", "formats", 0), "day_first"),
        ({"parse_number": {"field": "a", "decimal": ";"}}, ("parse_number", "decimal"), "expected '.' or ','"),
        ({"parse_date": {"field": "a", "formats": ["%Q"]}}, ("parse_date", "formats", 0), "bad directive"),
        (
            {"parse_date": {"field": "a", "formats": ["epoch_s"], "zone": "Mars"}},
            ("parse_date", "zone"),
            "no time zone",
        ),
        (
            {"regex_replace": {"field": "a", "pattern": "(", "replace": ""}},
            ("regex_replace", "pattern"),
            "not a regular",
        ),
        (
            {"regex_replace": {"field": "a", "pattern": "a", "replace": r"\2"}},
            ("regex_replace", "replace"),
            "does not go",
        ),
        ({"map_values": {"field": "a", "values": {}}}, ("map_values", "values"), "expected a table"),
        ({"clamp": {"field": "a"}}, ("clamp",), "min, max or both"),
        ({"clamp": {"field": "a", "min": 2, "max": 1}}, ("clamp",), "min at most max"),
        ({"clamp": {"field": "a", "min": "2"}}, ("clamp", "min"), "expected a number"),
        ({"split": {"field": "a", "separator": "", "into": ["b", "c"]}}, ("split", "separator"), "separator"),
        ({"split": {"field": "a", "separator": ",", "into": "b"}}, ("split", "into"), "at least two"),
        ({"drop_field": []}, ("drop_field",), "at least one"),
        ({"unwrap": {"keys": []}}, ("unwrap", "keys"), "at least one"),
        ({"unwrap": {"keys": [""]}}, ("unwrap", "keys"), "the name of a key"),
        ({"unwrap": {"field": "event_details"}}, ("unwrap",), "'keys' is missing"),
        ({"cast": "event_detials.price"}, ("cast",), "did you mean 'event_details.price'"),
        ({"trim": "user_detail.*"}, ("trim",), "did you mean 'user_details"),
        ({"set": {"field": "evnt_type", "value": 1}}, ("set", "field"), "did you mean 'event_type'"),
        ({"move": {"from": "a", "to": "event_detials.a"}}, ("move", "to"), "did you mean 'event_details.a'"),
    ],
)
def test_mistakes_are_named_where_they_are(step: Any, path: tuple[str | int, ...], words: str) -> None:
    """The path leads to the option, the message says what was expected."""
    with pytest.raises(RuleError, match=words) as caught:
        steps.parse(step)
    assert caught.value.path == path
