import asyncio
import http.client
import os
import signal
import socket
import threading
import time

import pytest

from keras_gpt3.serving.http_server import HttpServer
from keras_gpt3.serving.listening_socket import listening_socket
from keras_gpt3.serving.server_settings import ServerSettings


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


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_when_all_are_answered(capsys, number):
    started, go_on, answers = threading.Event(), threading.Event(), []
    before = signal.getsignal(number)
    with listening_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]

        def client():
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/")
            answers.append(connection.getresponse().read())
            connection.close()

        def stop():
            started.wait()
            os.kill(os.getpid(), number)
            # New ones are refused while the first waits.
            while is_open(port):
                time.sleep(0.02)
            go_on.set()

        listener.listen()
        threads = [threading.Thread(target=f) for f in (client, stop)]
        for thread in threads:
            thread.start()
        server = HttpServer(make_app(started, go_on), ServerSettings(), "Here.")
        server.run(sockets=[listener])
        for thread in threads:
            thread.join()
    assert answers == [b"answer"]
    assert capsys.readouterr().out == "Here.\n"
    assert signal.getsignal(number) is before
