"""The columnar way and the exact way agree: on every frame, and on every refusal.

With few examples, so that the unit tests stay quick: most of the time goes into making up schemas and records.
tests/contract/serdes asks the same with many.
"""

from __future__ import annotations

import pytest

from support.decoder_properties import PROPERTIES, holds
from support.fuzzing import examples


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_few_examples(name: str) -> None:
    """Of the property's strategies."""
    holds(name, examples(8))
