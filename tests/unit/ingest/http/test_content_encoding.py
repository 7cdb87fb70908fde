"""Bodies before their Content-Encoding."""

from __future__ import annotations

import pytest

from etld.ingest.http import content_encoding
from etld.ingest.http.answers import HttpRefusal


def test_two_codings_at_most() -> None:
    with pytest.raises(HttpRefusal) as caught:
        content_encoding.decoded(b"", "gzip, gzip, gzip", 10)
    assert caught.value.answer.status == 415
    assert b"at most two" in caught.value.answer.body
