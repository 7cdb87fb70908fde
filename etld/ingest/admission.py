"""Who may send: write keys, rates, addresses behind proxies; and which browser pages may read the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etld.ingest import keys as keyfile
from etld.ingest.http.answers import Answer, HttpRefusal, problem
from etld.ingest.http.proxies import Proxies
from etld.ingest.rate_limits import RateLimits, share
from etld.util.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from etld.config import Config
    from etld.ingest.http.request import HttpRequest
    from etld.ingest.keys import Key, KeyRing

_ALLOW_METHODS = b"Access-Control-Allow-Methods: GET, HEAD, POST, OPTIONS\r\n"
_ALLOW_HEADERS = (
    b"Access-Control-Allow-Headers: Content-Type, Content-Encoding, Authorization, X-Write-Key,"
    b" Idempotency-Key, X-Etld-Ack, AnonymousId, X-Retry-Count,"
    b" Rsa-Retry-Attempt, Rsa-Retry-Reason, Rsa-Since-Last-Attempt, Rsa-Initiated-By, Traceparent, Tracestate\r\n"
)
_CHALLENGE = b'WWW-Authenticate: Basic realm="etld write key", Bearer realm="etld write key"\r\n'


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
        #: Nothing to ask of a request: no keys, no rates of addresses.
        self.unrestricted = self._keys is None and not self._addresses.rate
        self.cors = bool(self._origins)

    def set_processes(self, count: int) -> None:
        """So many serve the port now, which `etld scale` may have made more than are configured."""
        count = max(count, self._ingest.workers)
        if count != self._processes:
            self._share_among(count)

    def _share_among(self, count: int) -> None:
        self._processes = count
        self._per_key = share(self._ingest.rate_per_key, count)
        self._key_buckets: dict[str, TokenBucket] = {}
        self._addresses = RateLimits(share(self._ingest.rate_per_address, count))

    # Keys and rates; `now` is of the monotonic clock, `wall` in seconds since the epoch

    def key(self, request: HttpRequest, wall: float, in_body: Callable[[], str | None]) -> Key | None:
        """The key a request brings; None when none is asked for. Raises `HttpRefusal` without a valid one.

        A header's counts before the query's, and that before what `in_body` finds.
        """
        if self._keys is None:
            return None
        text = keyfile.presented(request.headers)
        if text is None:
            text = keyfile.in_query(request.target) or in_body()
        if text is None:
            raise HttpRefusal(problem(401, "no_key", "a write key is needed: see WWW-Authenticate", headers=_CHALLENGE))
        key = self._keys.find(text, wall)
        if key is None:
            raise HttpRefusal(
                problem(401, "wrong_key", "this write key is not known or has expired", headers=_CHALLENGE)
            )
        return key

    def charge_address(self, peer: str, request: HttpRequest, now: float) -> str:
        """The address of a request, which pays for one event; raises `HttpRefusal` when it cannot."""
        if not self._addresses.rate:
            return peer
        address = self.address(peer, request)
        wait = self._addresses.take(address, 1, now)
        if wait:
            raise HttpRefusal(_too_many(wait, "this address"))
        return address

    def charge_key(self, key: Key, address: str, now: float) -> None:
        """The key of a request pays for one event; what it cannot pay its address has back."""
        bucket = self._bucket(key, now)
        wait = bucket.take(1, now) if bucket is not None else 0.0
        if wait:
            self._addresses.give_back(address, 1)
            raise HttpRefusal(_too_many(wait, f"key {key.name}"))

    def charge_batch(self, peer: str, request: HttpRequest, key: Key | None, count: int, now: float) -> None:
        """Put down `count` more events that came with an admitted request: they are paid off afterwards."""
        if self._addresses.rate:
            self._addresses.spend(self.address(peer, request), count)
        bucket = None if key is None else self._bucket(key, now)
        if bucket is not None:
            bucket.spend(count)

    def _bucket(self, key: Key, now: float) -> TokenBucket | None:
        rate = share(key.rate, self._processes) if key.rate is not None else self._per_key
        if not rate:
            return None
        bucket = self._key_buckets.get(key.name)
        if bucket is None:
            bucket = self._key_buckets[key.name] = TokenBucket(rate, rate, now)
        return bucket

    def address(self, peer: str, request: HttpRequest) -> str:
        """The client's address, also behind trusted proxies."""
        if not self._proxies:
            return peer
        # A proxy may add a line of its own below the client's.
        return self._proxies.client(peer, ",".join(request.all("x-forwarded-for")))

    # Browsers

    def origin_headers(self, request: HttpRequest) -> bytes:
        """What lets a browser's page of an allowed origin read the answer."""
        origin = request.headers.get("origin") if self.cors else None
        if origin is None or not (self._any_origin or origin in self._origins):
            return b""
        if self._any_origin:
            allowed = b"Access-Control-Allow-Origin: *\r\n"
        else:
            allowed = b"Access-Control-Allow-Origin: " + origin.encode() + b"\r\nVary: Origin\r\n"
        return allowed + b"Access-Control-Expose-Headers: Retry-After\r\n"

    def preflight(self, request: HttpRequest) -> bytes:
        """The extra headers of the answer to a preflight (Fetch standard, section 3.2)."""
        if "access-control-request-method" not in request.headers or not self.origin_headers(request):
            return b""
        return _ALLOW_METHODS + _ALLOW_HEADERS + b"Access-Control-Max-Age: 600\r\n"


def _too_many(wait: float, who: str) -> Answer:
    detail = f"{who} sends more events a second than it may"
    return problem(429, "too_many_events", detail, retry_after=wait)
