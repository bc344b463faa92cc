"""Serves an export over HTTP until it is told to stop."""

import dataclasses
import socket

import rich.console

from keras_gpt3.needed_packages import needed_packages
from keras_gpt3.serving.server_settings import ServerSettings


def serve(folder, host="127.0.0.1", port=8501, settings=None):
    """Serves an export over HTTP, in TensorFlow Serving's REST form.

    `POST /v1/models/NAME:predict` takes and gives what TensorFlow Serving
    does; `POST /v1/models/NAME:stream` answers one prompt in pieces, as
    server-sent events; `/` is a page to try prompts on, `/metrics` what
    Prometheus reads, and `/healthz` says that all is well. Requests that come
    together are run together. On SIGINT and SIGTERM new connections are
    refused, running requests are answered, and the function returns. A batch
    that runs cannot be interrupted, neither by a signal nor by a client that
    goes away: `max_new_tokens` in the settings bounds how long it takes. A
    second SIGINT ends the process at once.

    There is no encryption and no password: `host` should be another than the
    machine's own only behind something that has both.

    Args:
        folder: path. One SavedModel, or a base folder with numbered versions,
            of which the highest is served, and a higher one when it comes.
        host: string. The address to listen at. Defaults to `"127.0.0.1"`,
            this machine only.
        port: int. The port; 0 picks one that is free. Defaults to `8501`,
            that of TensorFlow Serving.
        settings: `ServerSettings`. Defaults to `None`, its defaults.

    Raises:
        ValueError: If there is no SavedModel in the folder that can be
            loaded, or the port is none.
        ImportError: If the extra `[serving]` is not installed.
        OSError: If the address cannot be listened at.

    Example:

    ```python
    from keras_gpt3.serving import serve

    if __name__ == "__main__":
        serve("exported")  # Goes on until it is interrupted.
    ```
    """
    settings = settings or ServerSettings()
    # A name that it is told to listen at is one of its own.
    settings = dataclasses.replace(
        settings, allow_hosts=(host, *settings.allow_hosts)
    )
    make_app, model_class, server_class = _imported()
    with listening_socket(host, port) as listener:
        # On stderr: what is read from stdout is the address.
        rich.console.Console(stderr=True, soft_wrap=True).print(
            f"Loading {folder} ...", markup=False, highlight=False
        )
        model = model_class(folder, settings)
        host, port = listener.getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        message = (
            f"Serving {settings.name}, version {model.version}: "
            f"http://{host}:{port}"
        )
        server = server_class(make_app(model), settings, message)
        server.run(sockets=[listener])


def _imported():
    """What needs the extra."""
    need = "The server must find starlette, uvicorn and prometheus_client"
    with needed_packages(need, "serving"):
        from keras_gpt3.serving.app import make_app
        from keras_gpt3.serving.http_server import HttpServer
        from keras_gpt3.serving.model_server import ModelServer
    return make_app, ModelServer, HttpServer


_LAST_PORT = 2**16 - 1


def listening_socket(host, port):
    """Opens a socket."""
    if not 0 <= port <= _LAST_PORT:
        # The resolver of addresses would take what is left of 16 bits.
        raise ValueError(
            f"port must be from 0 to {_LAST_PORT}. Received: port={port}. Pass "
            "0 for any that is free."
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            # A port is free again as soon as its server has gone.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise OSError(
            "host and port must be an address of this machine that is free. "
            f"Received: {host}:{port} ({error}). Pass another --port, or 0 for "
            "any."
        ) from None
    return listener
