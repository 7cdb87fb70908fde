"""Who may send: write keys, rates, origins of browsers, addresses behind proxies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.ingest import keys as keyfile
from etld.ingest.http.answers import Answer, problem
from etld.ingest.http.proxies import Proxies
from etld.ingest.rate_limits import RateLimits, share
from etld.util.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from multidict import CIMultiDictProxy

    from etld.config import Config
    from etld.ingest.keys import Key, KeyRing

_ALLOW = b"Access-Control-Allow-Methods: GET, HEAD, POST, OPTIONS\r\n"
_ASKED = "Content-Type, Content-Encoding, Authorization, X-Write-Key, Idempotency-Key, X-Etld-Ack"
_CHALLENGE = b'WWW-Authenticate: Basic realm="etld write key", Bearer realm="etld write key"\r\n'


class Denied(Exception):
    """The request is not served; `answer` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Admission:
    """Built anew at each reload; what a bucket holds is not carried over. Raises `ConfigError`."""

    def __init__(self, config: Config) -> None:
        ingest = config.ingest
        self._keys: KeyRing | None = None
        if ingest.keys_file is not None:
            self._keys = keyfile.load(ingest.keys_file, config.event_types)
        self._ingest = ingest
        self._share_among(ingest.workers)
        self._any_origin = "*" in ingest.cors_origins
        self._origins = frozenset(ingest.cors_origins)
        self._proxies = Proxies(ingest.trusted_proxies)
        #: Nothing to ask of a request: no keys, no rates, no origins.
        self.unrestricted = self._keys is None and not self._addresses.rate
        self.cors = bool(self._origins)

    def processes(self, count: int) -> None:
        """So many serve the port now, which `etld scale` may have made more than are configured."""
        count = max(count, self._ingest.workers)
        if count != self._workers:
            self._share_among(count)

    def _share_among(self, count: int) -> None:
        self._workers = count
        self._per_key = share(self._ingest.rate_per_key, count)
        self._key_buckets: dict[str, TokenBucket] = {}
        self._addresses = RateLimits(share(self._ingest.rate_per_address, count))

    def key(self, headers: Mapping[str, str], now: float) -> Key | None:
        """The key a request brings; None when none is asked for. `now` in seconds since the epoch."""
        if self._keys is None:
            return None
        text = keyfile.presented(headers)
        if text is None:
            raise Denied(
                problem(
                    401,
                    "no_key",
                    "a write key is needed: see WWW-Authenticate",
                    headers=_CHALLENGE,
                )
            )
        key = self._keys.find(text, now)
        if key is None:
            raise Denied(
                problem(
                    401,
                    "wrong_key",
                    "this write key is not known or has expired",
                    headers=_CHALLENGE,
                )
            )
        return key

    def charge_address(self, peer: str, headers: CIMultiDictProxy[str], now: float) -> str:
        """The address of a request, which pays for one event; `now` of the monotonic clock."""
        if not self._addresses.rate:
            return peer
        address = self.address(peer, headers)
        wait = self._addresses.take(address, 1, now)
        if wait:
            raise Denied(_too_many(wait, "this address"))
        return address

    def charge_key(self, key: Key, address: str, now: float) -> None:
        """The key of a request pays for one event; what it cannot pay its address has back."""
        bucket = self._bucket(key, now)
        wait = bucket.take(1, now) if bucket is not None else 0.0
        if wait:
            self._addresses.give_back(address, 1)
            raise Denied(_too_many(wait, f"key {key.name}"))

    def charge_batch(self, peer: str, headers: CIMultiDictProxy[str], key: Key | None, count: int, now: float) -> None:
        """Put down `count` more events that came with an admitted request: they are paid off afterwards."""
        if self._addresses.rate:
            self._addresses.spend(self.address(peer, headers), count)
        bucket = None if key is None else self._bucket(key, now)
        if bucket is not None:
            bucket.spend(count)

    def _bucket(self, key: Key, now: float) -> TokenBucket | None:
        rate = share(key.rate, self._workers) if key.rate is not None else self._per_key
        if not rate:
            return None
        bucket = self._key_buckets.get(key.name)
        if bucket is None:
            bucket = self._key_buckets[key.name] = TokenBucket(rate, rate, now)
        return bucket

    def address(self, peer: str, headers: CIMultiDictProxy[str]) -> str:
        """The client's address, also behind trusted proxies."""
        if not self._proxies:
            return peer
        # A proxy may add a line of its own below the client's.
        return self._proxies.client(peer, ",".join(headers.getall("X-Forwarded-For", ())))

    def origin_headers(self, headers: Mapping[str, str]) -> bytes:
        """What lets a browser page of an allowed origin read the answer."""
        origin = headers.get("Origin")
        if origin is None or not (self._any_origin or origin in self._origins):
            return b""
        if self._any_origin:
            allowed = b"Access-Control-Allow-Origin: *\r\n"
        else:
            allowed = b"Access-Control-Allow-Origin: " + origin.encode() + b"\r\nVary: Origin\r\n"
        return allowed + b"Access-Control-Expose-Headers: Retry-After\r\n"

    def preflight(self, headers: Mapping[str, str]) -> bytes:
        """The extra headers of the answer to a preflight (Fetch standard, section 3.2)."""
        if "Access-Control-Request-Method" not in headers or not self.origin_headers(headers):
            return b""
        return _ALLOW + b"Access-Control-Allow-Headers: " + _ASKED.encode() + b"\r\nAccess-Control-Max-Age: 600\r\n"


def _too_many(wait: float, who: str) -> Answer:
    return problem(
        429,
        "too_many_events",
        f"{who} sends more events a second than it may",
        retry_after=wait,
    )
