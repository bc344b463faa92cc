"""The scripts of examples/serving, as they import each other."""

import contextlib
import http.server
import importlib
import pathlib
import sys
import types

import pytest

SERVING = pathlib.Path(__file__).parents[2] / "examples" / "serving"


@contextlib.contextmanager
def serving_scripts():
    """Imports them under their plain names; yields a namespace of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SERVING))
        names = [path.stem for path in SERVING.glob("*.py")]
        modules = {name: importlib.import_module(name) for name in names}
        yield types.SimpleNamespace(**modules)
        for name in names:
            del sys.modules[name]


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
