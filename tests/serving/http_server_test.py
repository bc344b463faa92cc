import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import threading
import time

import pytest

from keras_gpt3.serving.http_server import HttpServer
from keras_gpt3.serving.serve import listening_socket
from keras_gpt3.serving.server_settings import ServerSettings
from tests.serving.running_server import HALF
from tests.serving.running_server import make_app
from tests.serving.running_server import running

# === Http server ===


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


def test_a_body_that_never_ends_is_given_up_and_the_connection_closed(
    model_server,
):
    with running(model_server) as address:
        with socket.create_connection(address, timeout=30) as client:
            client.sendall(HALF)
            # Up to the end, which the server makes.
            answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"The body must come within 0.2 seconds. Received: bytes=" in answer
    counted = b'keras_gpt3_requests_total{code="408",signature="unknown"} 1.0'
    assert counted in model_server.metrics.text()[0]


def test_signals_are_heard_while_the_last_batch_runs(model_server):
    """What waits for the batch is not the thread of the event loop."""
    closers = []
    model_server.close = lambda: closers.append(threading.current_thread())
    with running(model_server):
        threads = set(threading.enumerate())
    assert closers and closers[0] not in threads


# === Http protocol ===


# What a client may not do for ever, on a real socket.


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CHUNKED = HEALTH + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"


def read_all(client):
    """Up to the end, which the server makes."""
    return b"".join(iter(lambda: client.recv(4096), b""))


@pytest.mark.parametrize("sent", [b"", HEALTH, CHUNKED])
def test_what_does_not_come_to_its_end_is_given_up(model_server, sent):
    with running(model_server) as address:
        with socket.create_connection(address, timeout=30) as client:
            # A byte now and then is no end either.
            for byte in (sent[:-1], sent[-1:]):
                client.sendall(byte)
                time.sleep(0.1)
            answer = read_all(client)
    status = b"200" if sent == CHUNKED else b"408"
    assert answer.startswith(b"HTTP/1.1 " + status)


@pytest.mark.parametrize(
    "model_server",
    [{"receive_timeout": 60.0, "max_connections": 3}],
    indirect=True,
)
def test_one_connection_more_is_refused_until_another_has_closed(model_server):
    with running(model_server) as address, contextlib.ExitStack() as stack:

        def ask():
            client = socket.create_connection(address, timeout=30)
            stack.enter_context(client).sendall(HEALTH + b"\r\n")
            return client, client.recv(4096)[:13]

        clients = [ask() for _ in range(4)]
        statuses = [status for _, status in clients]
        clients[0][0].close()
        clients[-1][0].close()
        connections = model_server.http.server_state.connections
        while len(connections) > 2:
            time.sleep(0.01)
        again = ask()[1]
    assert statuses == [b"HTTP/1.1 200 "] * 3 + [b"HTTP/1.1 503 "]
    assert again == b"HTTP/1.1 200 "


def test_bytes_that_are_no_http_are_refused_in_json(model_server):
    with running(model_server) as address:
        with socket.create_connection(address, timeout=30) as client:
            client.sendall(b"\x16\x03\x01\x00 \r\n\r\n")
            head, _, body = read_all(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/json" in head
    assert json.loads(body)["error"].startswith("A request must be HTTP/1.1.")


def run_slow_app(go_on, use):
    """Uses an application that answers when it is told to, over a socket."""
    with listening_socket("127.0.0.1", 0) as listener:
        started = threading.Event()
        server = HttpServer(make_app(started, go_on), ServerSettings(), "Here.")
        thread = threading.Thread(target=server.run, args=([listener],))
        listener.listen()
        thread.start()
        try:
            address = listener.getsockname()
            with socket.create_connection(address, timeout=30) as client:
                client.sendall(HEALTH + b"\r\n")
                started.wait()
                return use(client, server)
        finally:
            go_on.set()
            server.should_exit = True
            thread.join()


def test_a_client_that_has_closed_its_half_gets_its_answer():
    go_on = threading.Event()

    def use(client, server):
        client.shutdown(socket.SHUT_WR)
        assert client.recv(4096).startswith(b"HTTP/1.1 102 ")
        go_on.set()
        return read_all(client)

    answer = run_slow_app(go_on, use)
    assert answer.startswith(b"HTTP/1.1 200 ") and b"answer" in answer


def test_a_client_that_has_closed_both_halves_is_gone():
    def use(client, server):
        client.close()
        end = time.monotonic() + 30
        while server.server_state.connections and time.monotonic() < end:
            time.sleep(0.02)
        return len(server.server_state.connections)

    assert run_slow_app(threading.Event(), use) == 0


def test_a_client_that_takes_nothing_of_its_answer_is_cut_off():
    ends = []

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            for name in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{name}.complete"})
            return
        await send({"type": "http.response.start", "status": 200})
        body = b"x" * 2**24
        await send({"type": "http.response.body", "body": body})
        while not ends:
            ends.extend(["end"] if not server.server_state.connections else [])
            await asyncio.sleep(0.02)

    with listening_socket("127.0.0.1", 0) as listener:
        settings = ServerSettings(receive_timeout=0.2)
        server = HttpServer(app, settings, "Here.")
        thread = threading.Thread(target=server.run, args=([listener],))
        listener.listen()
        thread.start()
        address = listener.getsockname()
        with socket.create_connection(address, timeout=30) as client:
            client.sendall(HEALTH + b"\r\n")
            end = time.monotonic() + 30
            while not ends and time.monotonic() < end:
                time.sleep(0.02)
        server.should_exit = True
        thread.join()
    assert ends == ["end"]
