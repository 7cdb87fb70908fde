"""The columnar way and the exact way agree: on every frame, and on every refusal.

With many examples; the unit tests ask the same with few.
"""

from __future__ import annotations

import pytest

from support.decoder_properties import PROPERTIES, holds
from support.fuzzing import examples


@pytest.mark.slow
@pytest.mark.parametrize("name", PROPERTIES)
def test_many_examples(name: str) -> None:
    """Of the property's strategies."""
    holds(name, examples(200))
