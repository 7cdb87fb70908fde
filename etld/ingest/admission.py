"""Who may send, and who may read metrics: write keys, rates, addresses; and which browser pages may read answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etld.ingest import keys as keyfile
from etld.ingest.http.answers import Answer, HttpRefusal, problem
from etld.ingest.rate_limits import RateLimits, share
from etld.util.addresses import Proxies, is_forwarded, is_loopback, site
from etld.util.token_bucket import TokenBucket

if TYPE_CHECKING:
    from etld.config import Config
    from etld.ingest.http.request import HttpRequest
    from etld.ingest.keys import Key, KeyRing

_ALLOW_METHODS = b"Access-Control-Allow-Methods: GET, HEAD, POST, OPTIONS\r\n"
_ALLOW_HEADERS = (
    b"Access-Control-Allow-Headers: Content-Type, Content-Encoding, "
    + ", ".join(keyfile.HEADERS).encode()
    + b", Idempotency-Key, X-Etld-Ack, AnonymousId, X-Retry-Count,"
    b" Rsa-Retry-Attempt, Rsa-Retry-Reason, Rsa-Since-Last-Attempt, Rsa-Initiated-By, Traceparent, Tracestate\r\n"
)
_CHALLENGE = b'WWW-Authenticate: Basic realm="etld write key", Bearer realm="etld write key"\r\n'


@dataclass(slots=True)
class Admitted:
    """What the head of a request has told: whose limit it has paid for, and its key, where that is known by now."""

    site: str = ""
    key: Key | None = None


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
        self._has_proxies = bool(self._proxies)
        #: Is a key asked for?
        self.asks_keys = self._keys is not None
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

    @staticmethod
    def key_of_head(request: HttpRequest) -> str | None:
        """The key that a request brings before its body, in a header or else in the query."""
        text = keyfile.presented(request.headers)
        return keyfile.in_query(request.target) if text is None else text

    def find_key(self, text: str | None, wall: float) -> Key | None:
        """The key with this text; None when none is asked for. Raises `HttpRefusal` without a valid one."""
        if self._keys is None:
            return None
        if text is None:
            raise HttpRefusal(problem(401, "no_key", "a write key is needed: see WWW-Authenticate", headers=_CHALLENGE))
        key = self._keys.find(text, wall)
        if key is None:
            raise HttpRefusal(
                problem(401, "wrong_key", "this write key is not known or has expired", headers=_CHALLENGE)
            )
        return key

    def charge_address(self, peer: str, request: HttpRequest, now: float) -> str:
        """The site that a request comes from, which pays for one event; raises `HttpRefusal` when it cannot."""
        if not self._addresses.rate:
            return ""
        place = self.site(peer, request) if self._has_proxies else site(peer)
        wait = self._addresses.take(place, 1, now)
        if wait:
            raise HttpRefusal(_too_many(wait, "this address"))
        return place

    def charge_key(self, admitted: Admitted, now: float) -> None:
        """The key of a request pays for one event; what it cannot pay its address has back."""
        key = admitted.key
        bucket = None if key is None else self._bucket(key, now)
        wait = bucket.take(1, now) if bucket is not None else 0.0
        if key is not None and wait:
            self._addresses.give_back(admitted.site, 1)
            raise HttpRefusal(_too_many(wait, f"key {key.name}"))

    def charge_batch(self, admitted: Admitted, count: int, now: float) -> None:
        """Put down `count` more events that came with an admitted request: they are paid off afterwards."""
        self._addresses.spend(admitted.site, count)
        bucket = None if admitted.key is None else self._bucket(admitted.key, now)
        if bucket is not None:
            bucket.spend(count)

    def rate(self, key: Key | None) -> float:
        """Events a second that a client with this key may send, over all processes; 0 is no limit."""
        of_key = 0.0 if key is None else (key.rate if key.rate is not None else self._ingest.rate_per_key)
        return min(filter(None, (of_key, self._ingest.rate_per_address)), default=0.0)

    def _bucket(self, key: Key, now: float) -> TokenBucket | None:
        rate = share(key.rate, self._processes) if key.rate is not None else self._per_key
        if not rate:
            return None
        bucket = self._key_buckets.get(key.name)
        if bucket is None:
            bucket = self._key_buckets[key.name] = TokenBucket(rate, rate, now)
        return bucket

    def site(self, peer: str, request: HttpRequest) -> str:
        """What limits count the client as, also behind trusted proxies: its address, or its IPv6 network."""
        return site(self._proxies.client(peer, request.headers, request.all) if self._has_proxies else peer)

    def admit_reader(self, peer: str, request: HttpRequest, now: float, wall: float) -> None:
        """May this client read what /metrics tells? It costs as much as an event; raises `HttpRefusal`."""
        self.charge_address(peer, request, now)
        readers = self._ingest.metrics
        if readers == "key":
            self.find_key(self.key_of_head(request), wall)
        elif readers == "loopback" and (is_forwarded(request.headers) or not is_loopback(peer)):
            detail = "the metrics are for clients on etld's own machine: see [ingest] metrics"
            raise HttpRefusal(problem(403, "not_for_this_client", detail))

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
