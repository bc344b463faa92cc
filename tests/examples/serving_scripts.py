"""The scripts of examples/serving, and servers that they may meet."""

import http.server

import pytest

from tests.examples.example_scripts import EXAMPLES
from tests.examples.example_scripts import example_scripts

SERVING = EXAMPLES / "serving"


def serving_scripts():
    """Imports them under their plain names; yields a namespace of them."""
    return example_scripts("serving")


def canned_handler(body, status=200):
    """The class of an HTTP handler that always says the same."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def log_message(self, *_):
            """Says nothing."""

    return Handler


def refusal(scripts, send):
    """What a request is refused with, one line."""
    with pytest.raises(scripts.serving_error.ServingError) as caught:
        send()
    assert "\n" not in str(caught.value)
    return str(caught.value)
