"""The line index: right for whatever tomllib accepts."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from etld.config import key_path, lines
from etld.config.key_path import KeyPath

KEYS = st.text(min_size=1, max_size=8)
LEAVES = st.one_of(st.integers(0, 99), st.booleans(), st.text(max_size=20), st.dates())
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)


def paths(data: Any, path: KeyPath = ()) -> set[KeyPath]:
    """Every path of the data."""
    found = {path} if path else set()
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        found |= paths(value, (*path, key))
    return found


@given(data=st.dictionaries(KEYS, VALUES, max_size=4), multiline=st.booleans())
def test_it_knows_every_path_and_no_other(data: dict[str, Any], multiline: bool) -> None:
    """As tomllib reads them; lines never go past the end."""
    text = tomli_w.dumps(data, multiline_strings=multiline)
    index = lines.index(text)
    assert set(index) == paths(tomllib.loads(text))
    assert all(1 <= line <= text.count("\n") + 1 for line in index.values())


@given(data=st.dictionaries(KEYS, VALUES, max_size=4), above=st.integers(0, 5))
def test_a_line_more_above_is_a_line_more_everywhere(data: dict[str, Any], above: int) -> None:
    """Comments and empty lines count."""
    text = tomli_w.dumps(data)
    moved = lines.index("# [x] \n" * above + text)
    assert moved == {path: line + above for path, line in lines.index(text).items()}


@given(st.text(alphabet="[]{}=.,'\"#\\ \nab1"))
def test_it_ends_on_anything(text: str) -> None:
    """Even on what is no TOML."""
    lines.index(text)


TRICKY = '''
a.b.c = 1 # d = 2
"quoted.key" = """
e = 3
[f]
""""" # the string ends in two quotes
'lit' = \'\'\'
g = 4\'\'\'

[t] # [u]
arr = [ # ]
  1, # h = 5
  { i = "}", "j k" = [{ l = 6 }] },
]
[[t.many]]
x = 7
[t.many.sub]
y = 8
[[t.many]]
x = 9
[[t.many.deep]]
z = 10
[[t.many.deep]]
z = 11
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 2),
        (("a", "b", "c"), 2),
        (("quoted.key",), 3),
        (("lit",), 7),
        (("t",), 10),
        (("t", "arr"), 11),
        (("t", "arr", 0), 12),
        (("t", "arr", 1, "i"), 13),
        (("t", "arr", 1, "j k", 0, "l"), 13),
        (("t", "many", 0), 15),
        (("t", "many", 0, "sub", "y"), 18),
        (("t", "many", 1), 19),
        (("t", "many", 1, "x"), 20),
        (("t", "many", 1, "deep", 1, "z"), 24),
    ],
)
def test_lines_of_everything_toml_has(path: KeyPath, line: int) -> None:
    """Dotted and quoted keys, strings that look like keys, nested arrays, arrays of tables within each other."""
    assert lines.index(TRICKY)[path] == line
    assert lines.index(TRICKY.replace("\n", "\r\n"))[path] == line


def test_the_tricky_text_has_no_other_paths() -> None:
    """Nothing inside a string or a comment is taken for a key."""
    assert set(lines.index(TRICKY)) == paths(tomllib.loads(TRICKY))


def test_find_gives_the_nearest_thing_around() -> None:
    """A key that is missing has the line of its table; what nobody wrote has none."""
    index = lines.index(TRICKY)
    assert lines.find(index, ("t", "many", 1, "nope", "deeper")) == 19
    assert lines.find(index, ("nope",)) == 0


PIECES = st.integers(0, 99) | st.text(min_size=1).filter(lambda text: '"' not in text)


@given(st.tuples(KEYS.filter(lambda text: '"' not in text)) | st.lists(PIECES, min_size=1).map(tuple))
def test_a_dotted_path_can_be_read_back(path: KeyPath) -> None:
    """With dots, brackets and numbers inside keys."""
    assert key_path.split(key_path.join(path)) == path
