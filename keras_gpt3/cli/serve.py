"""`keras-gpt3 serve FOLDER`: an export over HTTP."""

import dataclasses
import os
import pathlib
import signal
from typing import Annotated

import typer

from keras_gpt3.cli.model_loading import check_tensorflow
from keras_gpt3.cli.options import options_with
from keras_gpt3.cli.user_errors import on_interrupt
from keras_gpt3.cli.user_errors import user_errors

_HELP = {
    "name": "The model's name in the paths.",
    "host": "The address to listen at. There is no password: keep to this "
    "machine's own, unless something in front has one.",
    "port": "The port; 0 picks one that is free.",
    "max_slots": "The most prompts that are continued at a time.",
    "max_cache_bytes": "The most bytes of their keys and values.",
    "max_prefix_bytes": "The most bytes of keys and values that are kept of "
    "prompts: a beginning that several share is read once. 0 keeps none.",
    "speculative": "'prompt' drafts tokens from what followed earlier in the "
    "same text, and checks several at a time: the answers stay the same.",
    "draft": "The export of a smaller model with the same vocabulary, which "
    "drafts tokens instead.",
    "max_batch_size": "The most rows of a request, and of a batch of score.",
    "batch_timeout_ms": "How long a request to score waits for others to join.",
    "max_batch_tokens": "The most tokens of a batch of score of several "
    "requests, padding included.",
    "max_new_tokens": "The most new tokens that a prompt may request. Default: "
    "what the context holds.",
    "request_timeout": "Seconds after which a request is given up.",
    "receive_timeout": "Seconds that a client has to send the head of a "
    "request, and then its body.",
    "max_connections": "The most connections, at most half of the files that "
    "the process may open; a request on one more is answered with 503.",
    "max_body_bytes": "The longest body of a request.",
    "max_queue": "The most prompts that are waited for at a time.",
    "max_stop_strings": "The most stop strings of a prompt.",
    "max_stop_bytes": "The longest stop string, in bytes of UTF-8.",
    "max_answer_values": "The most numbers and strings of an answer.",
    "max_version_loads": "The most versions that are loaded until a restart: "
    "some memory of each stays.",
    "allow_hosts": "A name that requests may have as Host, besides addresses "
    "and localhost; '*' is any. May be given again.",
    "allow_origins": "An origin of web pages that may send requests, besides "
    "this server's own; '*' is any. May be given again.",
    "watch_seconds": "Seconds between looks for a newer version.",
}
_option = options_with(_HELP)


def serve_command(
    context: typer.Context,
    folder: Annotated[
        pathlib.Path,
        typer.Argument(
            help="What model.export wrote: one SavedModel, or a folder with "
            "numbered versions, of which the highest is served."
        ),
    ],
    host: Annotated[str, _option("host")] = "127.0.0.1",
    port: Annotated[int, _option("port")] = 8501,
    # All others have the names and defaults of `ServerSettings`.
    name: Annotated[str, _option("name")] = "gpt3",
    max_slots: Annotated[int, _option("max_slots")] = 32,
    max_cache_bytes: Annotated[int, _option("max_cache_bytes")] = 2**31,
    max_prefix_bytes: Annotated[int, _option("max_prefix_bytes")] = 2**28,
    speculative: Annotated[str | None, _option("speculative")] = None,
    draft: Annotated[pathlib.Path | None, _option("draft")] = None,
    max_batch_size: Annotated[int, _option("max_batch_size")] = 8,
    batch_timeout_ms: Annotated[float, _option("batch_timeout_ms")] = 5.0,
    max_batch_tokens: Annotated[int, _option("max_batch_tokens")] = 16384,
    max_new_tokens: Annotated[int | None, _option("max_new_tokens")] = None,
    request_timeout: Annotated[float, _option("request_timeout")] = 60.0,
    receive_timeout: Annotated[float, _option("receive_timeout")] = 20.0,
    max_connections: Annotated[int, _option("max_connections")] = 512,
    max_body_bytes: Annotated[int, _option("max_body_bytes")] = 2**20,
    max_queue: Annotated[int, _option("max_queue")] = 1024,
    max_stop_strings: Annotated[int, _option("max_stop_strings")] = 16,
    max_stop_bytes: Annotated[int, _option("max_stop_bytes")] = 256,
    max_answer_values: Annotated[int, _option("max_answer_values")] = 4_000_000,
    max_version_loads: Annotated[int, _option("max_version_loads")] = 16,
    allow_hosts: Annotated[
        list[str], _option("allow_hosts", "--allow-host")
    ] = (),
    allow_origins: Annotated[
        list[str], _option("allow_origins", "--allow-origin")
    ] = (),
    watch_seconds: Annotated[float, _option("watch_seconds")] = 5.0,
) -> None:
    """Serve an export over HTTP, with a page to try it on.

    Paths and bodies are those of TensorFlow Serving's REST interface. Runs
    until SIGINT or SIGTERM, then answers what runs and exits with 0; with 2 if
    an argument is wrong.
    """
    # One call runs at a time, on the threads within operations: others between
    # these would only compete with them.
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    # Ctrl-C ends the process, until the server listens to it itself: TensorFlow
    # turns Python's exception into one of its own while it loads a model, and
    # continues for seconds before. There is nothing to clean up.
    with user_errors(), on_interrupt(signal.SIG_DFL):
        check_tensorflow("serve")
        from keras_gpt3.serving import ServerSettings
        from keras_gpt3.serving import serve

        names = [field.name for field in dataclasses.fields(ServerSettings)]
        settings = ServerSettings(**{n: context.params[n] for n in names})
        serve(folder, host, port, settings)
