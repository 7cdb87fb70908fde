"""Bodies before their Content-Encoding: gzip, deflate or zstd, never past a limit."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable

from etld.ingest.http.answers import HttpRefusal, problem

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CODINGS = ("gzip", "deflate", "zstd", "identity")
# A zstd frame may ask for a window this large, no larger: 8 MiB is what RFC 9659 has every decoder take.
_WINDOW: dict[int, int] = {zstd.DecompressionParameter.window_log_max: 23}
# Members of a gzip body, frames of a zstd one. Each costs a copy of the rest: thousands would stall the process.
MAX_PARTS = 100


def decoded(body: bytes, coding: str, limit: int) -> bytes:
    """The body before its Content-Encoding (RFC 9110, section 8.4); raises `HttpRefusal`.

    Never makes more than `limit` + 1 bytes, however small the body, and takes at most two codings.
    """
    names = [name.strip().lower() for name in coding.split(",")]
    if len(names) > 2:
        raise _refused(415, "unsupported_coding", "a body may have at most two content codings")
    for name in reversed(names):
        decoder = _DECODERS.get(name)
        if decoder is None:
            raise _refused(
                415,
                "unsupported_coding",
                f"Content-Encoding {name[:40]!r}: expected one of {', '.join(CODINGS)}",
            )
        body = decoder(body, limit)
        if len(body) > limit:
            raise _refused(
                413,
                "body_too_large",
                f"a body may have {limit} bytes once it is decompressed",
            )
    return body


def _refused(status: int, code: str, detail: str) -> HttpRefusal:
    return HttpRefusal(problem(status, code, detail))


def _zlib(body: bytes, limit: int, bits: int, name: str) -> bytes:
    out = b""
    try:
        # A gzip body may have several members (RFC 1952, section 2.2).
        for _ in range(MAX_PARTS):
            machine = zlib.decompressobj(bits)
            out += machine.decompress(body, limit + 1 - len(out))
            if len(out) > limit:
                return out
            if not machine.eof:
                raise _refused(400, "bad_coding", f"the {name} body ends too soon")
            body = machine.unused_data
            if not body:
                return out
            if bits != _GZIP:
                raise _refused(400, "bad_coding", f"something follows the {name} body")
    except zlib.error as error:
        raise _refused(400, "bad_coding", f"the body is not {name}") from error
    raise _refused(400, "bad_coding", f"a {name} body may have {MAX_PARTS} members")


_GZIP = 16 + zlib.MAX_WBITS


def _gzip(body: bytes, limit: int) -> bytes:
    return _zlib(body, limit, _GZIP, "gzip")


def _deflate(body: bytes, limit: int) -> bytes:
    # "deflate" is the zlib format; some clients send the bare stream (RFC 9110, section 8.4.1.2).
    zlib_header = len(body) > 1 and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    return _zlib(body, limit, zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS, "deflate")


def _zstd(body: bytes, limit: int) -> bytes:
    out = b""
    try:
        # A zstd body may have several frames (RFC 8878, section 3).
        for _ in range(MAX_PARTS):
            machine = zstd.ZstdDecompressor(options=_WINDOW)
            out += machine.decompress(body, limit + 1 - len(out))
            if len(out) > limit:
                return out
            if not machine.eof:
                raise _refused(400, "bad_coding", "the zstd body ends too soon")
            body = machine.unused_data
            if not body:
                return out
    except zstd.ZstdError as error:
        raise _refused(
            400,
            "bad_coding",
            "the body is not zstd, or wants a larger window than 8 MiB",
        ) from error
    raise _refused(400, "bad_coding", f"a zstd body may have {MAX_PARTS} frames")


def _identity(body: bytes, _limit: int) -> bytes:
    return body


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
    "identity": _identity,
    "": _identity,
}
