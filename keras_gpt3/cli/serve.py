"""`keras-gpt3 serve FOLDER`: an export over HTTP."""

import pathlib
from typing import Annotated

import typer

from keras_gpt3.cli.user_errors import user_errors


def serve_command(
    folder: Annotated[
        pathlib.Path,
        typer.Argument(
            help="What model.export wrote: one SavedModel, or a folder with "
            "numbered versions, of which the highest is served."
        ),
    ],
    name: Annotated[
        str, typer.Option(help="The model's name in the paths.")
    ] = "gpt3",
    host: Annotated[
        str,
        typer.Option(
            help="The address to listen at. There is no password: keep to this "
            "machine's own, unless something in front has one."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="The port; 0 picks one that is free.")
    ] = 8501,
    max_batch_size: Annotated[
        int,
        typer.Option(help="The most prompts that are run together."),
    ] = 8,
    batch_timeout_ms: Annotated[
        float,
        typer.Option(help="How long a request waits for others to join."),
    ] = 5.0,
    max_batch_tokens: Annotated[
        int,
        typer.Option(
            help="The most tokens of a batch of several requests, padding "
            "included."
        ),
    ] = 16384,
    max_new_tokens: Annotated[
        int | None,
        typer.Option(
            help="The most new tokens that a prompt may ask for. Default: what "
            "the context holds."
        ),
    ] = None,
    request_timeout: Annotated[
        float,
        typer.Option(help="Seconds after which a request is given up."),
    ] = 60.0,
    max_body_bytes: Annotated[
        int, typer.Option(help="The longest body of a request.")
    ] = 2**20,
    max_queue: Annotated[
        int,
        typer.Option(help="The most prompts that are waited for at a time."),
    ] = 1024,
    max_streams: Annotated[
        int, typer.Option(help="The most streams at a time.")
    ] = 16,
) -> None:
    """Serve an export over HTTP, with a page to try it on.

    Paths and bodies are those of TensorFlow Serving's REST interface. Goes on
    until SIGINT or SIGTERM, then answers what runs and exits with 0; with 2 if
    an argument is wrong.
    """
    with user_errors():
        from keras_gpt3.serving import ServerSettings
        from keras_gpt3.serving import serve

        settings = ServerSettings(
            name=name,
            max_batch_size=max_batch_size,
            batch_timeout_ms=batch_timeout_ms,
            max_batch_tokens=max_batch_tokens,
            max_new_tokens=max_new_tokens,
            request_timeout=request_timeout,
            max_body_bytes=max_body_bytes,
            max_queue=max_queue,
            max_streams=max_streams,
        )
        serve(folder, host, port, settings)
