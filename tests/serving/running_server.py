"""Applications on a socket of this process."""

import asyncio
import contextlib
import threading

from keras_gpt3.serving import app as routes
from keras_gpt3.serving.http_server import HttpServer
from keras_gpt3.serving.serve import listening_socket

HALF = (
    b"POST /v1/models/gpt3:predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/json\r\n"
    b'Content-Length: 100\r\n\r\n{"instances": ['
)


def make_app(started, go_on):
    """An application that answers when it is told to."""

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            for name in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{name}.complete"})
            return
        started.set()
        while not go_on.is_set():
            await asyncio.sleep(0.01)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"answer"})

    return app


@contextlib.contextmanager
def running(model_server):
    """The real routes on a socket, for a server that no body reaches."""
    with listening_socket("127.0.0.1", 0) as listener:
        listener.listen()
        app = routes.make_app(model_server)
        server = HttpServer(app, model_server.settings, "Here.")
        model_server.http = server
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join()
