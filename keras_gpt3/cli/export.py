"""`keras-gpt3 export --model MODEL OUT`: a SavedModel, or another format."""

import pathlib
from typing import Annotated
from typing import Literal

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
    "time, OUT/2 the next. For another format the file: .onnx, .tflite, .xml.",
    "format": "Of tf_saved_model, onnx, litert and openvino.",
    "cache_length": "The tokens that prompt and answer may have together, for "
    "a cache of keys and values in one of the other formats.",
    "name": "What clients of a server call the model. Default: gpt3.",
    "base_path": "The folder of the versions as a server sees it. Default: "
    "/models/NAME.",
    "version": "The version's number. Default: the next one.",
}
_option = options_with(_HELP)
_Format = Literal["tf_saved_model", "onnx", "litert", "openvino"]


def export_command(
    out: Annotated[pathlib.Path, typer.Argument(help=_HELP["out"])],
    model: Model,
    format: Annotated[_Format, _option("format")] = "tf_saved_model",
    dtype: DType = None,
    quantize: Quantize = None,
    adapter: Adapter = None,
    cache_length: Annotated[int | None, _option("cache_length")] = None,
    name: Annotated[str | None, _option("name")] = None,
    base_path: Annotated[str | None, _option("base_path")] = None,
    version: Annotated[int | None, _option("version")] = None,
) -> None:
    """Write a model for TensorFlow Serving, or for another runtime.

    To a SavedModel, text goes in and comes out. Beside the versions stand
    models.config, batching.config and monitoring.config for the server. To a
    file of ONNX, LiteRT or OpenVINO go token ids, and logits come out. An error
    leaves nothing behind. Exits with 0, or with 2 if an argument is wrong.
    """
    for_server = {"name": name, "base_path": base_path, "version": version}
    for_file = {"cache_length": cache_length}
    with user_errors():
        check_tensorflow("export")
        is_saved_model = format == "tf_saved_model"
        _check_unused(for_file if is_saved_model else for_server, format)
        given = for_server if is_saved_model else for_file
        given = {k: x for k, x in given.items() if x is not None}
        made = load_model(model, dtype, quantize, adapter)
        made.export(out, format=format, **given)


def _check_unused(options, format):
    """Raise if an option is of another format."""
    for name, value in options.items():
        if value is not None:
            option = "--" + name.replace("_", "-")
            raise ValueError(
                f"{option} must not be given for format '{format}'. Received: "
                f"{option} {value}. Leave it out."
            )
