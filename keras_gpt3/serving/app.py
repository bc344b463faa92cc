"""The routes of a server, as an ASGI application."""

import asyncio
import contextlib
import importlib.resources
import ipaddress
import time

from starlette.applications import Starlette
from starlette.convertors import StringConvertor  # codespell:ignore
from starlette.convertors import register_url_convertor  # codespell:ignore
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.responses import Response
from starlette.responses import StreamingResponse
from starlette.routing import Route

from keras_gpt3.serving.http_server import read_body
from keras_gpt3.serving.http_server import unless_gone
from keras_gpt3.serving.json_body import CLIENT_GONE
from keras_gpt3.serving.json_body import RequestError
from keras_gpt3.serving.json_body import error_body
from keras_gpt3.serving.json_body import is_openai_path
from keras_gpt3.serving.json_body import json_text
from keras_gpt3.serving.json_body import unexpected_error

_PAGE = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
# The page loads nothing from elsewhere, and no other page may frame it.
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; "
    "style-src 'self'; connect-src 'self'; img-src data:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}


class _Name(StringConvertor):  # codespell:ignore
    """A part of a path, which ends before the colon of a verb."""

    regex = "[^/:]+"


register_url_convertor("model", _Name())


def make_app(server):
    """Make the application."""
    routes = _Routes(server)
    listed = [Route(path, routes.page) for path in _PAGE]
    listed += [
        Route("/healthz", routes.health),
        Route("/metrics", routes.metrics),
        Route("/v1/completions", routes.completions, methods=["POST"]),
        Route("/v1/models", routes.models),
    ]
    model = "/v1/models/{name:model}"
    for path in (model, model + "/versions/{version:model}"):
        listed += [
            Route(path, routes.status),
            Route(f"{path}/metadata", routes.metadata),
            Route(f"{path}:predict", routes.predict, methods=["POST"]),
            Route(f"{path}:stream", routes.stream, methods=["POST"]),
        ]
    settings = server.settings
    guard = Middleware(
        RequestGuard,
        allow_hosts=settings.allow_hosts,
        allow_origins=settings.allow_origins,
    )
    # Browsers ask in advance whether another page may send requests.
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.allow_origins,
        allow_methods=("GET", "POST"),
        allow_headers=("Content-Type", "Authorization"),
    )
    return Starlette(
        routes=listed,
        middleware=[guard, cors] if settings.allow_origins else [guard],
        exception_handlers={
            HTTPException: _no_route,
            RequestError: _request_error,
            Exception: _unexpected_error,
        },
        lifespan=routes.lifespan,
    )


class _Routes:
    """The handlers of the paths."""

    def __init__(self, server):
        self._server = server

    @contextlib.asynccontextmanager
    async def lifespan(self, app):
        watch = asyncio.create_task(self._server.watch())
        yield
        watch.cancel()
        # In a thread: a running batch cannot be interrupted, and this thread
        # must receive signals until it has ended.
        await asyncio.to_thread(self._server.close)

    async def page(self, request):
        file, media_type = _PAGE[request.url.path]
        folder = importlib.resources.files("keras_gpt3.serving")
        text = folder.joinpath(file).read_text("utf-8")
        text = text.replace("MODEL_NAME", self._server.settings.name)
        return Response(text, media_type=media_type, headers=_PAGE_HEADERS)

    async def health(self, request):
        return JSONResponse({"status": "ok", "version": self._server.version})

    async def metrics(self, request):
        text, content_type = self._server.metrics.text()
        return Response(text, headers={"Content-Type": content_type})

    async def models(self, request):
        listed = [self._server.openai_model()]
        return JSONResponse({"object": "list", "data": listed})

    async def status(self, request):
        name, version = _model(request)
        status = self._server.status(name, version)
        # The path of a model is OpenAI's as well; that of a version is not.
        more = self._server.openai_model() if version is None else {}
        return JSONResponse(status | more)

    async def metadata(self, request):
        return JSONResponse(self._server.metadata(*_model(request)))

    async def predict(self, request):
        body = await self._body(request)
        work = self._server.predict(*_model(request), body)
        answer = await unless_gone(request, work)
        if answer is None:
            return Response(status_code=CLIENT_GONE)
        return Response(answer, media_type="application/json")

    async def stream(self, request):
        body = await self._body(request)
        events = self._server.stream(*_model(request), body)
        # An error before the first event has a status of its own.
        first = await unless_gone(request, anext(events))
        if first is None:
            return Response(status_code=CLIENT_GONE)
        return _event_stream(request, first, events)

    async def completions(self, request):
        body = await self._body(request)
        events = self._server.complete(body)
        first = await unless_gone(request, anext(events))
        if first is None:
            return Response(status_code=CLIENT_GONE)
        if isinstance(first, bytes):  # The whole answer.
            await anext(events, None)
            return Response(first, media_type="application/json")
        return _event_stream(request, first, events)

    async def _body(self, request):
        """The body; one that does not arrive is counted as well."""
        server, start = self._server, time.monotonic()
        limit = server.settings.max_body_bytes
        try:
            return await read_body(
                request, limit, server.settings.receive_timeout
            )
        except RequestError as error:
            seconds = time.monotonic() - start
            server.metrics.request("unknown", error.status, seconds)
            raise


def _event_stream(request, first, events):
    return StreamingResponse(
        _as_text(request.url.path, first, events),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _as_text(path, first, events):
    """Events as text; an error in between is the last one."""
    async with contextlib.aclosing(events):
        try:
            yield _event(first)
            async for event in events:
                yield _event(event)
            if is_openai_path(path):
                yield "data: [DONE]\n\n"
        except RequestError as error:
            yield _event(error_body(path, error))


def _event(event):
    return f"data: {json_text(event)}\n\n"


def _model(request):
    return request.path_params["name"], request.path_params.get("version")


async def _request_error(request, error):
    body = error_body(request.url.path, error)
    return JSONResponse(body, error.status, headers=error.headers)


async def _unexpected_error(request, error):
    """What no other handler knows; Starlette logs it."""
    return await _request_error(request, unexpected_error(error))


async def _no_route(request, error):
    """A path or method that does not exist, in the form of all errors."""
    path = f"{request.method} {request.url.path!a:.80}"
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        message = (
            f"The method must be one that the path has. Received: {path}. Use "
            f"{allowed}."
        )
    elif is_openai_path(request.url.path):
        message = (
            "A base model continues texts, without chats, tools or embeddings. "
            f"Received: {path}. Use /v1/completions."
        )
    else:
        message = (
            f"The path must be one of this server's. Received: {path}. Use "
            "/v1/models/NAME:predict, or / for the page."
        )
    found = RequestError(error.status_code, message, error.headers)
    return await _request_error(request, found)


_ANY = "*"
_JSON = "application/json"


class RequestGuard:
    """ASGI middleware that checks `Host`, `Origin` and the content type.

    Any page in a browser can send requests to this machine. It cannot choose
    their `Origin`, and needs permission for JSON's content type; where its own
    name was pointed at this machine, the `Host` shows that name. So `Host` must
    be an address, `localhost` or an allowed name, and `Origin` the server's own
    or an allowed one. Clients other than browsers send no `Origin`.
    """

    def __init__(self, app, allow_hosts=(), allow_origins=()):
        self._app = app
        self._hosts = {"localhost", *map(str.lower, allow_hosts)}
        self._origins = set(map(str.lower, allow_origins))

    async def __call__(self, scope, receive, send):
        """Pass a request on, or answer it with an error."""
        app = self._app
        if scope["type"] == "http":
            rejection = self._rejection(scope["method"], Headers(scope=scope))
            if rejection:
                error = RequestError(*rejection)
                body = error_body(scope["path"], error)
                app = JSONResponse(body, error.status)
        await app(scope, receive, send)

    def _rejection(self, method, headers):
        """The status and message for a rejected request, or `None`."""
        host, origin = headers.get("host"), headers.get("origin")
        if host is not None and not self._is_host_allowed(host):
            return 403, (
                "Host must be an address, localhost or a name that this "
                f"server knows. Received: Host={host!a:.80}. Start it with "
                "--allow-host."
            )
        if origin is not None and not self._is_origin_allowed(origin, host):
            return 403, (
                "Origin must be this server's own, or one that it knows. "
                f"Received: Origin={origin!a:.80}. Start it with "
                "--allow-origin."
            )
        kind = headers.get("content-type", "none")
        if method == "POST" and kind.split(";")[0].strip().lower() != _JSON:
            return 415, (
                f"The body of a POST must be {_JSON}. Received: "
                f"Content-Type={kind!a:.80}. Send this header; curl has "
                "--json."
            )
        return None

    def _is_host_allowed(self, host):
        name = _without_port(host.lower())
        return _ANY in self._hosts or name in self._hosts or _is_address(name)

    def _is_origin_allowed(self, origin, host):
        origin = origin.lower()
        if _ANY in self._origins or origin in self._origins:
            return True
        # Whatever the scheme: a proxy in front may speak TLS.
        scheme, _, place = origin.partition("://")
        return scheme in ("http", "https") and place == (host or "").lower()


def _without_port(host):
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(name):
    """Whether it is an IP address, which no name server was asked for."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
