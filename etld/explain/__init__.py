"""The catalogue of errors: each kind has a code such as ETLD-K001, with what it means and what to do."""

from etld.explain.areas import AREAS
from etld.explain.catalogue import CODES, WORDS, code_of, code_of_letter, find, known
from etld.explain.entry import Area, Entry, WordKind

__all__ = ["AREAS", "CODES", "WORDS", "Area", "Entry", "WordKind", "code_of", "code_of_letter", "find", "known"]
