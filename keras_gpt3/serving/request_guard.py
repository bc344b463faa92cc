"""Refuses what a web page of somebody else could send from a browser."""

import ipaddress

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

_ANY = "*"
_JSON = "application/json"


class RequestGuard:
    """ASGI middleware that checks `Host`, `Origin` and the content type.

    A page that a browser has open sends requests to this machine too. It
    cannot choose their `Origin`, and needs leave for JSON's content type; the
    `Host` shows a name of its own that was pointed at this machine. So
    addresses, `localhost` and the names allowed are taken as `Host`, and as
    `Origin` the server's own and those allowed. What is no browser sends no
    `Origin`.
    """

    def __init__(self, app, allow_hosts=(), allow_origins=()):
        self._app = app
        self._hosts = {"localhost", *map(str.lower, allow_hosts)}
        self._origins = set(map(str.lower, allow_origins))

    async def __call__(self, scope, receive, send):
        """Passes a request on, or answers it with what is wrong."""
        app = self._app
        if scope["type"] == "http":
            refusal = self._refusal(scope["method"], Headers(scope=scope))
            if refusal:
                status, message = refusal
                app = JSONResponse({"error": message}, status)
        await app(scope, receive, send)

    def _refusal(self, method, headers):
        """The status and message for a request that is refused, or `None`."""
        host, origin = headers.get("host"), headers.get("origin")
        if host is not None and not self._takes_host(host):
            return 403, (
                "Host must be an address, localhost or a name that this "
                f"server knows. Received: Host={host!a:.80}. Start it with "
                "--allow-host."
            )
        if origin is not None and not self._takes_origin(origin, host):
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

    def _takes_host(self, host):
        name = _without_port(host.lower())
        return _ANY in self._hosts or name in self._hosts or _is_address(name)

    def _takes_origin(self, origin, host):
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
    """Whether no name server was asked for it."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
