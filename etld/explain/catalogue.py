"""Looking entries up: by code, and by the words that the same things have in answers, faults and dead letters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etld.explain.areas import AREAS

if TYPE_CHECKING:
    from etld.explain.entry import Entry, WordKind

PREFIX = "ETLD-"
#: Every entry by its code.
CODES: dict[str, Entry] = {entry.code: entry for area in AREAS for entry in area.entries}
#: The code of each word, by where the word is met.
WORDS: dict[tuple[WordKind, str], str] = {
    (kind, word): entry.code for entry in CODES.values() for kind, words in entry.words.items() for word in words
}


def code_of(kind: WordKind, word: str) -> str:
    """The code of a word; "" for one that is not known. Of a fault with a name in it the first word counts."""
    return WORDS.get((kind, word.partition(" ")[0]), "")


def code_of_letter(error_class: str, stage: str) -> str:
    """The code of a dead letter: by its error class, else, for an error that is not etld's own, by its stage."""
    return code_of("letter", error_class) or code_of("letter", stage)


def find(asked: str) -> list[Entry]:
    """The entry of a code, with or without "ETLD-", or those of a word; [] where there is none."""
    code = re.fullmatch(rf"(?:{PREFIX})?([A-Z])([0-9]{{1,3}})", asked.strip().upper())
    if code is not None and (entry := CODES.get(f"{PREFIX}{code[1]}{int(code[2]):03}")) is not None:
        return [entry]
    same = {found: None for (_, word), found in WORDS.items() if word.lower() == asked.strip().lower()}
    return [CODES[one] for one in same]


def known() -> list[str]:
    """All that `find` takes: codes, then words."""
    return [*CODES, *dict.fromkeys(word for _, word in WORDS)]
