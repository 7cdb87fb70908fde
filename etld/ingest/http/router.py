"""Which handler serves a request: by path, then by method."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from etld.ingest.http.answers import HttpRefusal, problem
from etld.ingest.http.connection import HttpConnection
from etld.ingest.http.request import HttpRequest

RequestHandler = Callable[[HttpConnection, HttpRequest], None]
#: Path to method to handler.
Routes = Mapping[str, Mapping[str, RequestHandler]]


class Router:
    """Slashes that are doubled or at the end do not count; HEAD is served as GET.

    `options` answers OPTIONS, where it is given the methods of the path as an Allow header.
    """

    def __init__(self, routes: Routes, options: Callable[[HttpConnection, HttpRequest, bytes], None]) -> None:
        self.paths = list(routes)
        self._routes = routes
        self._options = options

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
            return lambda connection, request: self._options(connection, request, allow)
        detail = f"{request.method} is not for this path; use {' or '.join(methods)}"
        raise HttpRefusal(problem(405, "wrong_method", detail, headers=allow))
