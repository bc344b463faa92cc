import http.client
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
