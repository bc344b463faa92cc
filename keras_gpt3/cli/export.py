"""`keras-gpt3 export --model MODEL OUT`: a SavedModel and what serves it."""

import pathlib
from typing import Annotated

import typer

from keras_gpt3.cli.model_loading import check_tensorflow
from keras_gpt3.cli.model_loading import load_model
from keras_gpt3.cli.options import Adapter
from keras_gpt3.cli.options import DType
from keras_gpt3.cli.options import Model
from keras_gpt3.cli.options import Quantize
from keras_gpt3.cli.options import options_with
from keras_gpt3.cli.user_errors import user_errors

_HELP = {
    "out": "The folder of the versions, a server's base path: OUT/1 the first "
    "time, OUT/2 the next.",
    "name": "What clients of a server call the model.",
    "base_path": "The folder of the versions as a server sees it. Default: "
    "/models/NAME.",
    "version": "The version's number. Default: the next one.",
}
_option = options_with(_HELP)


def export_command(
    out: Annotated[pathlib.Path, typer.Argument(help=_HELP["out"])],
    model: Model,
    dtype: DType = None,
    quantize: Quantize = None,
    adapter: Adapter = None,
    name: Annotated[str, _option("name")] = "gpt3",
    base_path: Annotated[str | None, _option("base_path")] = None,
    version: Annotated[int | None, _option("version")] = None,
) -> None:
    """Write a model for TensorFlow Serving, or any stock TensorFlow.

    Text goes in and comes out. Beside the versions stand models.config,
    batching.config and monitoring.config for the server. An error leaves
    nothing behind. Exits with 0, or with 2 if an argument is wrong.
    """
    with user_errors():
        check_tensorflow("export")
        made = load_model(model, dtype, quantize, adapter)
        made.export(out, version=version, name=name, base_path=base_path)
