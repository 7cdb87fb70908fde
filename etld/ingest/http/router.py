"""Which handler serves a request: by path, then by method."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from etld.ingest.http.answers import Answer, HttpRefusal, problem
from etld.ingest.http.connection import HttpConnection
from etld.ingest.http.request import HttpRequest

RequestHandler = Callable[[HttpConnection, HttpRequest], None]
#: Path to method to handler.
Routes = Mapping[str, Mapping[str, RequestHandler]]


class Router:
    """Slashes that are doubled or at the end do not count; HEAD is served as GET.

    OPTIONS is answered here; `preflight` gives the CORS headers of that answer.
    """

    def __init__(self, routes: Routes, preflight: Callable[[HttpRequest], bytes]) -> None:
        self.paths = list(routes)
        self._routes = routes
        self._preflight = preflight

    def find(self, request: HttpRequest) -> RequestHandler:
        """The handler of a request; raises `HttpRefusal` with a 404 or a 405."""
        methods = self._routes.get(request.path)
        if methods is None:
            # Clients join a host that ends in a slash to a path that begins with one.
            request.path = "/" + "/".join(filter(None, request.path.split("/")))
            methods = self._routes.get(request.path)
        if methods is None:
            detail = f"there is nothing here; see {', '.join(self.paths)}"
            raise HttpRefusal(problem(404, "no_such_path", detail))
        return methods.get(request.method) or self._other_method(request, methods)

    def _other_method(self, request: HttpRequest, methods: Mapping[str, RequestHandler]) -> RequestHandler:
        readable = "GET" in methods
        if request.method == "HEAD" and readable:
            return methods["GET"]
        names = sorted([*methods, "OPTIONS", *(["HEAD"] if readable else [])])
        allow = b"Allow: " + ", ".join(names).encode() + b"\r\n"
        if request.method == "OPTIONS":
            answer = Answer(204, headers=allow + self._preflight(request))
            return lambda connection, _: connection.answer(answer)
        detail = f"{request.method} is not for this path; use {' or '.join(methods)}"
        raise HttpRefusal(problem(405, "wrong_method", detail, headers=allow))
