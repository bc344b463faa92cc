"""`keras-gpt3 export --model MODEL OUT`: a SavedModel and what serves it."""

import os
import pathlib
from typing import Annotated

import typer

from keras_gpt3.cli.model_loading import load_model
from keras_gpt3.cli.tensorflow_only import check_tensorflow
from keras_gpt3.cli.user_errors import user_errors


def export_command(
    out: Annotated[
        pathlib.Path,
        typer.Argument(
            help="The folder of the versions, a server's base path: OUT/1 the "
            "first time, OUT/2 the next."
        ),
    ],
    model: Annotated[
        str, typer.Option(help="A preset's name or the folder of a model.")
    ],
    dtype: Annotated[
        str | None,
        typer.Option(
            help="A Keras dtype policy, such as bfloat16: half the bytes of "
            "float32. Default: the model's own."
        ),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(
            help="int8 or int4: store the matrices' weights in so many bits. "
            "Activations stay as they are."
        ),
    ] = None,
    adapter: Annotated[
        str | None,
        typer.Option(help="A file of adapters, from finetune --lora-rank."),
    ] = None,
    name: Annotated[
        str, typer.Option(help="What clients of a server call the model.")
    ] = "gpt3",
    base_path: Annotated[
        str | None,
        typer.Option(
            help="The folder of the versions as a server sees it. Default: "
            "/models/NAME."
        ),
    ] = None,
    version: Annotated[
        int | None,
        typer.Option(help="The version's number. Default: the next one."),
    ] = None,
) -> None:
    """Write a model for TensorFlow Serving, or any stock TensorFlow.

    Text goes in and comes out. Beside the versions stand models.config,
    batching.config and monitoring.config for the server. An error leaves
    nothing behind. Exits with 0, or with 2 if an argument is wrong.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with user_errors():
        check_tensorflow("export")
        made = load_model(model, dtype, quantize, adapter)
        made.export(out, version=version, name=name, base_path=base_path)
