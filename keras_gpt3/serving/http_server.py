"""Uvicorn, with limits of time that it lacks."""

import asyncio
import functools
import http
import math
import resource
import signal
import socket

import h11
import rich.console
import uvicorn
from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol

from keras_gpt3.serving.json_body import CLIENT_GONE
from keras_gpt3.serving.json_body import RequestError
from keras_gpt3.serving.json_body import json_text

# Besides the time that a request may take.
_MORE_SECONDS = 5


class HttpServer(uvicorn.Server):
    """Runs an ASGI application until a signal."""

    def __init__(self, app, settings, message):
        super().__init__(
            uvicorn.Config(
                app,
                # The same on every machine, whatever is installed.
                loop="asyncio",
                http=functools.partial(
                    HttpProtocol, receive_timeout=settings.receive_timeout
                ),
                # Uvicorn rejects the connection with this number as well.
                limit_concurrency=_max_connections(settings) + 1,
                backlog=128,
                ws="none",
                lifespan="on",
                # Python's own logging, as in the rest of the package.
                log_config=None,
                # A warning for each bad request would fill a disk.
                log_level="error",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=int(settings.request_timeout)
                + _MORE_SECONDS,
            )
        )
        self._message = message

    async def startup(self, sockets=None):
        """Listen, and print the address."""
        await super().startup(sockets)
        # Not rich's global console, which keeps its first output's settings.
        rich.console.Console(soft_wrap=True).print(
            self._message, markup=False, highlight=False
        )

    def handle_exit(self, sig, frame):
        """Stop; a second Ctrl-C does not wait for running work.

        Uvicorn's own handler has the signal raised again at the end: the
        process would not exit with 0.
        """
        if self.should_exit and sig == signal.SIGINT:
            # No exception interrupts a batch, which runs in TensorFlow's code.
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        self.should_exit = True
        if sig == signal.SIGINT:
            rich.console.Console(stderr=True, soft_wrap=True).print(
                "Stopping when what runs is answered. Ctrl-C again stops now."
            )


def _max_connections(settings):
    """At most half of the files that the process may open."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return settings.max_connections
    return max(1, min(settings.max_connections, files // 2))


# How often a half-closed connection is checked.
_LOOK_SECONDS = 0.25


class HttpProtocol(H11Protocol):
    """HTTP/1.1 with limits of time.

    Uvicorn limits the time between requests, but not that of a request's head,
    nor that of an answer that the client does not read; and it treats a client
    that has closed its sending half as disconnected.
    """

    def __init__(self, *, receive_timeout, **settings):
        super().__init__(**settings)
        self._receive_timeout = receive_timeout
        self._deadline = self._stall = self._look = None
        self._unsent = 0

    def connection_made(self, transport):
        """Start the timer of the first request."""
        super().connection_made(transport)
        self._set_deadline()

    def connection_lost(self, exc):
        """Stop the timers."""
        for timer in (self._deadline, self._stall, self._look):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def handle_events(self):
        """Read what has arrived; see `_set_deadline`."""
        super().handle_events()
        self._set_deadline()

    def on_response_complete(self):
        """Wait for the next request."""
        super().on_response_complete()
        self._set_deadline()
        self._watch_unsent()

    def eof_received(self):
        """Answer a client that has closed its sending half.

        One that has closed both looks the same until something is sent to it:
        it is sent 102, that its request is being processed.
        """
        if self._is_idle() or self.cycle.more_body:
            return False
        self.cycle.keep_alive = False
        takes_informational = self.scope["http_version"] == "1.1"
        if not self.cycle.response_started and takes_informational:
            event = h11.InformationalResponse(status_code=102, headers=[])
            self.transport.write(self.conn.send(event))
        self._look_for_reset()
        return True

    def send_400_response(self, msg):
        """Reject what is not HTTP."""
        self._reject(
            400,
            "A request must be HTTP/1.1. Received: bytes that are not. Check "
            "the client.",
        )

    def _reject(self, status, message):
        """Send an error in JSON if an answer is still due, and close."""
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json_text({"error": message}).encode()
            response = h11.Response(
                status_code=status,
                headers=[
                    ("content-type", "application/json"),
                    ("content-length", str(len(body))),
                    ("connection", "close"),
                ],
                reason=http.HTTPStatus(status).phrase,
            )
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event))
        self.transport.close()
        self._watch_unsent()

    def pause_writing(self):
        """Start the timer of a client that does not read."""
        super().pause_writing()
        self._watch_unsent()

    def resume_writing(self):
        """Note that the client reads."""
        super().resume_writing()
        self._unsent = math.inf

    def _is_idle(self):
        return self.cycle is None or self.cycle.response_complete

    def _set_deadline(self):
        """Start a timer while the client has to send, and else stops it.

        Single bytes do not restart it: it runs until the head of a request, or
        the rest of a body that is answered already, has arrived.
        """
        state = self.conn.their_state
        waits = state is h11.IDLE or (
            state is h11.SEND_BODY and self._is_idle()
        )
        if not waits and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        elif waits and self._deadline is None:
            self._deadline = self.loop.call_later(
                self._receive_timeout, self._time_out
            )

    def _time_out(self):
        self._reject(
            408,
            "A request must come within "
            f"{self._receive_timeout:g} seconds. Received: no end of it. Send "
            "it faster, or start the server with a longer --receive-timeout.",
        )

    def _watch_unsent(self):
        """Start a timer for what the client has not read yet."""
        unsent = self.transport.get_write_buffer_size()
        if unsent and self._stall is None:
            self._unsent = unsent
            self._stall = self.loop.call_later(
                self._receive_timeout, self._stop_stalled
            )

    def _stop_stalled(self):
        self._stall = None
        if self.transport.get_write_buffer_size() >= self._unsent:
            self.transport.abort()
        else:
            self._watch_unsent()

    def _look_for_reset(self):
        """Close the connection when the other side has reset it."""
        peer = self.transport.get_extra_info("socket")
        if self.transport.is_closing():
            return
        if peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()
        else:
            self._look = self.loop.call_later(
                _LOOK_SECONDS, self._look_for_reset
            )


# === Bodies and clients, for the routes ===


async def read_body(request, limit, seconds):
    """Read the body of a request."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_long(announced, limit)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise _too_long(f"{len(body)} or more", limit)
    except TimeoutError:
        raise RequestError(
            408,
            f"The body must come within {seconds:g} seconds. Received: "
            f"bytes={len(body)}, and no end. Send it faster, or start the "
            "server with a longer --receive-timeout.",
            # The rest of the body must not be read as a request.
            headers={"Connection": "close"},
        ) from None
    except ClientDisconnect:
        raise RequestError(
            CLIENT_GONE,
            f"The body must come whole. Received: bytes={len(body)}, then the "
            "end of the connection. Send it again.",
        ) from None
    return bytes(body)


async def unless_gone(request, work):
    """Wait for an answer; `None` if the client disconnects before."""
    answer = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else None
    finally:
        for task in (answer, gone):
            task.cancel()
        # A cancelled task must still leave the queue it was counted in.
        await asyncio.gather(answer, gone, return_exceptions=True)


async def _disconnected(request):
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _too_long(received, limit):
    return RequestError(
        413,
        f"The body must be at most {limit} bytes. Received: bytes={received}. "
        "Split it, or start the server with a higher --max-body-bytes.",
    )
