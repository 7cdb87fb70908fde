"""Answers that say what is wrong."""

from __future__ import annotations

import json

from etld.ingest.http.answers import problem


def test_problems_say_how_long_to_wait() -> None:
    answer = problem(429, "slow", "too fast", retry_after=0.2)
    assert b"Retry-After: 1\r\n" in answer.headers
    assert json.loads(answer.body)["title"] == "Too Many Requests"


def test_problems_have_the_code_that_explains_them() -> None:
    told = json.loads(problem(401, "no_key", "a write key is needed").body)
    assert (told["code"], told["explain"]) == ("no_key", "ETLD-H019")
