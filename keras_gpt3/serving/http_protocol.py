"""One connection: what uvicorn's own lets a client do for ever has an end."""

import math
import socket

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES
from uvicorn.protocols.http.h11_impl import H11Protocol

from keras_gpt3.serving.json_text import json_text

# How often a half-closed connection is looked at.
_LOOK_SECONDS = 0.25


class HttpProtocol(H11Protocol):
    """HTTP/1.1 with limits of time and number.

    Uvicorn limits the time between requests, but neither that of a request's
    head, nor that of a body that nobody reads, nor the number of sockets that
    are open; and it takes a client that has sent all and closed its half for
    one that went away.
    """

    def __init__(self, *, receive_timeout, max_connections, **settings):
        super().__init__(**settings)
        self._receive_timeout = receive_timeout
        self._max_connections = max_connections
        self._deadline = self._stall = self._look = None
        self._unsent = 0

    def connection_made(self, transport):
        """Makes room for a client, or sends it away."""
        super().connection_made(transport)
        self.began = self.loop.time()
        self._set_deadline()
        if len(self.connections) > self._max_connections:
            waiting = [c for c in self.connections if c.awaits_request()]
            oldest = min(waiting, key=lambda c: c.began)
            oldest.refuse(
                503,
                f"A server holds at most {self._max_connections} connections. "
                "Received: one more. Try again later, or start it with a "
                "higher --max-connections.",
            )

    def connection_lost(self, exc):
        """Stops the clocks."""
        for timer in (self._deadline, self._stall, self._look):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def awaits_request(self):
        """Whether the connection has no request that has come whole."""
        return self._is_idle() or self.cycle.more_body

    def handle_events(self):
        """Reads what has come; see `_set_deadline`."""
        super().handle_events()
        self._set_deadline()

    def on_response_complete(self):
        """Goes on to the next request."""
        super().on_response_complete()
        self.began = self.loop.time()
        self._set_deadline()
        self._watch_unsent()

    def eof_received(self):
        """Answers a client that has sent all and closed its half.

        One that has closed both looks the same until something is sent to it,
        so it is told that its request is worked on.
        """
        if self.awaits_request():
            return False
        self.cycle.keep_alive = False
        if not self.cycle.response_started and self._takes_informational():
            event = h11.InformationalResponse(status_code=102, headers=[])
            self.transport.write(self.conn.send(event))
        self._look_for_reset()
        return True

    def send_400_response(self, msg):
        """Refuses what is no HTTP."""
        self.refuse(
            400,
            "A request must be HTTP/1.1. Received: bytes that are not. Check "
            "the client.",
        )

    def refuse(self, status, message):
        """Says in JSON what is wrong, where it still can, and closes."""
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json_text({"error": message}).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
            phrase = STATUS_PHRASES[status]
            for event in (
                h11.Response(
                    status_code=status, headers=headers, reason=phrase
                ),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event))
        self.transport.close()
        self._watch_unsent()

    def shutdown(self):
        """Lets an answer end; a request that has not come whole has none."""
        if not self._is_idle() and self.awaits_request():
            self.refuse(
                503,
                "A request must come before the server stops. Received: a "
                "part of one. Send it again later.",
            )
        else:
            super().shutdown()

    def pause_writing(self):
        """Gives a client time to read."""
        super().pause_writing()
        self._watch_unsent()

    def resume_writing(self):
        """Has seen that the client reads."""
        super().resume_writing()
        self._unsent = math.inf

    def _is_idle(self):
        return self.cycle is None or self.cycle.response_complete

    def _set_deadline(self):
        """Starts a clock where the client is to send, and else stops it.

        What trickles in does not start it anew: it runs until the head of a
        request, or a body whose answer is there, has come to its end.
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
                self._receive_timeout, self._give_up
            )

    def _give_up(self):
        self.refuse(
            408,
            "A request must come within "
            f"{self._receive_timeout:g} seconds. Received: no end of it. Send "
            "it faster, or start the server with a longer --receive-timeout.",
        )

    def _watch_unsent(self):
        """Starts a clock for what the client has not taken yet."""
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

    def _takes_informational(self):
        return self.scope["http_version"] == "1.1"

    def _look_for_reset(self):
        """Ends the connection when the other side says that it is gone."""
        peer = self.transport.get_extra_info("socket")
        if self.transport.is_closing():
            return
        if peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()
        else:
            self._look = self.loop.call_later(
                _LOOK_SECONDS, self._look_for_reset
            )
