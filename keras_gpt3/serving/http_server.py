"""Uvicorn, told to say where it is and to end quietly."""

import contextlib
import functools
import resource
import signal
import threading

import rich.console
import uvicorn

from keras_gpt3.serving.http_protocol import HttpProtocol

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Besides the time that a request may take.
_MORE_SECONDS = 5


class HttpServer(uvicorn.Server):
    """Runs an ASGI application until a signal."""

    def __init__(self, app, settings, message):
        super().__init__(
            uvicorn.Config(
                app,
                # The same on every machine, whatever else is installed.
                loop="asyncio",
                http=functools.partial(
                    HttpProtocol,
                    receive_timeout=settings.receive_timeout,
                    max_connections=_max_connections(settings),
                ),
                # So many are accepted before the first of them is counted.
                backlog=128,
                ws="none",
                lifespan="on",
                # Python's own logging, as the rest of the package.
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
        """Listens, and says so."""
        await super().startup(sockets)
        # Not rich's own console, which keeps what its first output was like.
        rich.console.Console(soft_wrap=True).print(
            self._message, markup=False, highlight=False
        )

    def handle_exit(self, sig, frame):
        """Stops; on a second Ctrl-C without waiting for what runs."""
        if self.should_exit and sig == signal.SIGINT:
            # No exception ends a batch: it runs in TensorFlow's own code.
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        super().handle_exit(sig, frame)
        if sig == signal.SIGINT:
            rich.console.Console(stderr=True, soft_wrap=True).print(
                "Stopping when what runs is answered. Ctrl-C again stops now."
            )

    @contextlib.contextmanager
    def capture_signals(self):
        """Ends on a signal, once: uvicorn would raise it again at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Python allows no handlers here.
            return
        before = {s: signal.signal(s, self.handle_exit) for s in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _max_connections(settings):
    """No more than half of the files that the process may open."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return settings.max_connections
    return max(1, min(settings.max_connections, files // 2))
