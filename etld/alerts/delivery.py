"""Bringing one message to one webhook, within a time."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from etld import __version__
from etld.alerts.message import SIGNATURE, AlertMessage, signature
from etld.config.checks import wrong_webhook
from etld.config.secrets import host_of
from etld.errors import EtldError, UsageError
from etld.logs import redacted
from etld.util.suggest import did_you_mean
from etld.util.text import printable

if TYPE_CHECKING:
    from etld.config import Config
    from etld.config.sections.alerts import AlertSection

#: Seconds for all of it: the name, the connection, TLS, the answer.
_PATIENCE = 10.0
_LONGEST_PAUSE = 300.0
_SHOWN = 200


class NotDelivered(EtldError):
    """The webhook did not take the message; `pause`: seconds after which it wants to be asked again."""

    code = "ETLD-A001"

    def __init__(self, why: str, pause: float = 0.0) -> None:
        super().__init__(why)
        self.pause = pause


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where messages of one [[alerts]] go; files are read anew for each, so that a new secret needs no restart."""

    config: Config
    alert: AlertSection
    patience: float = _PATIENCE

    async def deliver(self, message: AlertMessage) -> None:
        """Send it; returns when a 2xx came. Raises `NotDelivered`, whose text shows of the URL only its host."""
        try:
            url, secret = (self.config.secret_of(self.alert, name) for name in ("url", "secret"))
        except EtldError as error:
            raise NotDelivered(str(error)) from None
        wrong = wrong_webhook(url)
        if wrong:
            raise NotDelivered(f"alerts.url_file: {wrong}")
        body = message.body(self.alert.form)
        headers = {"Content-Type": "application/json", "User-Agent": f"etld/{__version__}"}
        if secret:
            headers[SIGNATURE] = signature(secret, body, int(time.time()))
        try:
            async with asyncio.timeout(self.patience):
                await self._post(url, body, headers)
        except TimeoutError:
            raise NotDelivered(f"{host_of(url)} did not answer within {self.patience:g} s") from None
        except (OSError, aiohttp.ClientError) as error:
            raise NotDelivered(f"cannot reach {host_of(url)}: {_why(error)}") from None

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        address, headers = _without_user(url, headers)
        try:
            tls = ssl.create_default_context(cafile=self.alert.ca_file)
        except OSError as error:
            raise NotDelivered(f"{self.alert.ca_file} is of no use: {error.strerror or error}") from None
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(
                address, data=body, headers=headers, ssl=tls, allow_redirects=False, proxy=_proxy(url)
            ) as answer,
        ):
            if 200 <= answer.status < 300:
                return
            said = printable(redacted((await answer.content.read(_SHOWN)).decode(errors="replace")), _SHOWN)
            more = "; redirections are not followed" if 300 <= answer.status < 400 else f": {said}" if said else ""
            raise NotDelivered(f"{host_of(url)} answered {answer.status}{more}", _retry_after(answer))


async def send_test(config: Config, name: str | None) -> list[str]:
    """Send a test to the webhook of this name, or to all; the names of those that took it.

    Raises `UsageError` when there is none, and `EtldError` that tells of each that did not.
    """
    if not config.alerts:
        raise UsageError("there are no [[alerts]] in the configuration", code="ETLD-A002")
    chosen = [alert for alert in config.alerts if name in (None, alert.name)]
    if not chosen:
        names = [alert.name for alert in config.alerts]
        raise UsageError(
            f"there is no [[alerts]] with the name {name!r}{did_you_mean(str(name), names)}", code="ETLD-A002"
        )
    wrong = []
    for alert in chosen:
        try:
            await Webhook(config, alert).deliver(AlertMessage.test(config.node_id))
        except NotDelivered as error:
            wrong.append(f"{alert.name}: {error}")
    if wrong:
        raise EtldError("\n".join(wrong), code="ETLD-A001")
    return [alert.name for alert in chosen]


def _without_user(url: str, headers: dict[str, str]) -> tuple[str, dict[str, str]]:
    """The URL without name and password, which go into a header."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, headers
    basic = aiohttp.encode_basic_auth(unquote(parts.username), unquote(parts.password or ""), "utf-8")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])), {**headers, "Authorization": basic}


def _proxy(url: str) -> str | None:
    """What HTTPS_PROXY, HTTP_PROXY and NO_PROXY say."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


def _retry_after(answer: aiohttp.ClientResponse) -> float:
    said = answer.headers.get("Retry-After", "")
    return min(float(said), _LONGEST_PAUSE) if said.isdecimal() else 0.0


def _why(error: Exception) -> str:
    """Without the URL, which is in the text of some."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        wrong = error.certificate_error
        return f"its certificate is not trusted: {getattr(wrong, 'verify_message', '') or wrong}"
    found = getattr(error, "os_error", error)
    if isinstance(found, OSError):
        return found.strerror or type(found).__name__
    return type(error).__name__
