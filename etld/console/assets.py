"""Style, script and picture of the console, from the package."""

from __future__ import annotations

import hashlib
from importlib import resources

from aiohttp import web

_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_KEEP = "public, max-age=31536000, immutable"


class Assets:
    """Read once; `versions` gives the path of each, which changes with what is in it."""

    def __init__(self) -> None:
        found = resources.files(__package__).joinpath("static").iterdir()
        self._texts = {one.name: one.read_text("utf-8") for one in found if one.name.rpartition(".")[2] in _TYPES}
        self.versions = {
            name: f"/assets/{name}?{hashlib.sha256(text.encode()).hexdigest()[:12]}"
            for name, text in self._texts.items()
        }

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One of them."""
        name = request.match_info["name"]
        if name not in self._texts:
            raise web.HTTPNotFound
        kind = _TYPES[name.rpartition(".")[2]]
        answer = web.Response(text=self._texts[name], content_type=kind, headers={"Cache-Control": _KEEP})
        answer.enable_compression()
        return answer
