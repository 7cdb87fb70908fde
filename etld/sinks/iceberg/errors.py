"""What goes wrong on the way to the lake, as the loop understands it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyiceberg.exceptions import CommitFailedException

from etld.errors import EtldError
from etld.sinks.base import SinkError
from etld.util.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etld.sinks.base import Verdict

# Whose errors are the world's: what speaks to catalogs and storage.
_SPEAKERS = frozenset(
    {
        *("botocore", "boto3", "fsspec", "google", "psycopg", "pyarrow", "pyiceberg", "requests", "s3fs"),
        *("sqlalchemy", "thrift", "urllib3"),
    }
)
# How object storage, catalogs and PostgreSQL say that somebody has to do something.
_REFUSALS = (
    "ACCESS_DENIED",
    "AccessDenied",
    "INVALID_ACCESS_KEY_ID",
    "InvalidAccessKeyId",
    "NO_SUCH_BUCKET",
    "NoSuchBucket",
    "SIGNATURE_DOES_NOT_MATCH",
    "SignatureDoesNotMatch",
    "UnauthorizedError",
    "ForbiddenError",
    "password authentication failed",
    "permission denied",
)


@contextmanager
def as_sink_errors() -> Iterator[None]:
    """Errors of catalog and storage come out of the body as `SinkError`; what the role raises comes through.

    A commit that another writer's came before comes through too.
    """
    try:
        yield
    except (EtldError, CommitFailedException):
        raise
    except Exception as error:
        if not is_of_the_world(error):
            raise
        text = one_line(error) or type(error).__name__
        raise SinkError(text, verdict(text), code="ETLD-L001") from error


def is_of_the_world(error: BaseException) -> bool:
    """Does it say something of catalog and storage, not of etld's own code?"""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _SPEAKERS


def verdict(text: str) -> Verdict:
    """What to do about an error with that text."""
    return "stop" if any(one in text for one in _REFUSALS) else "retry"
