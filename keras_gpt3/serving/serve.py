"""Serves an export over HTTP until a signal."""

import dataclasses
import socket

import rich.console

from keras_gpt3.needed_packages import needed_packages
from keras_gpt3.serving.server_settings import ServerSettings


def serve(folder, host="127.0.0.1", port=8501, settings=None):
    """Serve an export over HTTP, in TensorFlow Serving's REST form.

    `POST /v1/models/NAME:predict` has TensorFlow Serving's requests and
    answers; `POST /v1/models/NAME:stream` answers one prompt in pieces, as
    server-sent events; `POST /v1/completions` and `GET /v1/models` are those of
    OpenAI; `/` is a page to try prompts on, `/metrics` is for Prometheus, and
    `/healthz` for a load balancer. Answers share the steps of the model, each
    in a slot of its own, which is free again when the answer ends or its
    client has gone. On SIGINT and SIGTERM new connections are refused, running
    requests are answered, and the function returns; `max_new_tokens` in the
    settings bounds how long that takes. A second SIGINT ends the process at
    once.

    There is no encryption and no password: give another `host` than this
    machine's own only behind a proxy that has both.

    Args:
        folder: path. One SavedModel, or a base folder with numbered versions,
            of which the highest is served, and a higher one when it appears.
        host: string. The address to listen at. Defaults to `"127.0.0.1"`,
            this machine only.
        port: int. The port; 0 picks a free one. Defaults to `8501`, that of
            TensorFlow Serving.
        settings: `ServerSettings`. Defaults to `None`, its defaults.

    Raises:
        ValueError: If there is no SavedModel in the folder that can be
            loaded, or the port is out of range.
        ImportError: If the extra `[serving]` is not installed.
        OSError: If the address is in use or not of this machine.

    Example:

    ```python
    from keras_gpt3.serving import serve

    if __name__ == "__main__":
        serve("exported")  # Runs until it is interrupted.
    ```
    """
    settings = settings or ServerSettings()
    # The name that it listens at is one of its own.
    settings = dataclasses.replace(
        settings, allow_hosts=(host, *settings.allow_hosts)
    )
    need = "The server must find starlette, uvicorn and prometheus_client"
    with needed_packages(need, "serving"):
        from keras_gpt3.serving.app import make_app
        from keras_gpt3.serving.http_server import HttpServer
        from keras_gpt3.serving.model_server import ModelServer
    with listening_socket(host, port) as listener:
        # On stderr: scripts read the address from stdout.
        rich.console.Console(stderr=True, soft_wrap=True).print(
            f"Loading {folder} ...", markup=False, highlight=False
        )
        model = ModelServer(folder, settings)
        host, port = listener.getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        message = (
            f"Serving {settings.name}, version {model.version}: "
            f"http://{host}:{port}"
        )
        server = HttpServer(make_app(model), settings, message)
        server.run(sockets=[listener])


_LAST_PORT = 2**16 - 1


def listening_socket(host, port):
    """Bind a socket, before the model is loaded: the port may be in use."""
    if not 0 <= port <= _LAST_PORT:
        raise ValueError(
            f"port must be from 0 to {_LAST_PORT}. Received: port={port}. Pass "
            "0 for any that is free."
        )
    # As in uvicorn, which however ends the process where it cannot bind.
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        # The port of a server that has ended is free at once.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(
            "host and port must be an address of this machine that is free. "
            f"Received: {host}:{port} ({error}). Pass another --port, or 0 for "
            "any."
        ) from None
    return listener
