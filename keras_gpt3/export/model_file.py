"""A model as a file of ONNX, LiteRT or OpenVINO. TensorFlow only."""

import pathlib

import rich.console

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed
from keras_gpt3.atomic_write import atomic_path
from keras_gpt3.atomic_write import move_files
from keras_gpt3.atomic_write import written_folder
from keras_gpt3.backend_check import require_backend
from keras_gpt3.export import format_conversion
from keras_gpt3.export.step_signatures import StepSignatures

SUFFIXES = {"onnx": ".onnx", "litert": ".tflite", "openvino": ".xml"}


def export_model_file(model, filepath, format, cache_length=None, verbose=True):
    """Write a model for ONNX Runtime, LiteRT or OpenVINO.

    Token ids go in and logits come out, float32, of any batch size and length;
    the caller chooses each next token, and has the tokenizer. A function of a
    file is one of these:

    - Without a cache, `token_ids` int32 and `padding_mask` bool, each
      `(batch, length)`, to `logits` `(batch, length, vocabulary_size)`.
    - With one, `token_ids` int32 `(batch, length)`, `index` int32, the position
      of the first of them, and `keys_0`, `values_0`, `keys_1` and so on, of
      shape `(batch, num_heads, slots, head_dim)`, to the `logits` of the last
      token `(batch, vocabulary_size)`, and `next_keys_0`, `next_values_0` and
      so on, which are the next call's cache. A dense layer has `cache_length`
      slots, a banded one at most its window. The first call, of prompts of
      equal length, has an `index` of 0 and a cache of zeros.

    A file of LiteRT has signatures, which share the weights:
    `serving_default`, the first of the two; with `cache_length` also
    `extend`, the second, and `prefill`, of `token_ids` alone, which makes the
    cache. ONNX and OpenVINO have one function in a file: the second where
    `cache_length` is given. OpenVINO's weights are in a `.bin` file beside
    the `.xml`.

    Where there are more tokens than the model or the cache has positions, a
    runtime raises an error, or the logits are NaN.

    Args:
        model: `GPT3`. Of float32, not quantized.
        filepath: string or path. Ends on `.onnx`, `.tflite` or `.xml`. A file
            that is there is replaced once the new one is whole.
        format: string. `"onnx"`, `"litert"` or `"openvino"`.
        cache_length: int. The tokens that prompt and answer may have together.
            Defaults to `None`, no cache.
        verbose: bool. Whether to say what was written. Defaults to `True`.

    Returns:
        The file, as a `pathlib.Path`.

    Raises:
        ImportError: If a package that converts is not installed.
        NotImplementedError: If Keras runs on another backend than TensorFlow.
        ValueError: If the format cannot hold the model, `filepath` has another
            ending, or the context is shorter than `cache_length`.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.export import export_model_file

    backbone = keras_gpt3.GPT3Backbone(
        vocabulary_size=100,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=64,
        max_sequence_length=32,
    )
    model = keras_gpt3.GPT3(backbone)
    export_model_file(model, "gpt3.tflite", "litert", cache_length=32)
    ```
    """
    label = format_conversion.LABELS[format]
    require_backend(
        "tensorflow",
        f"An export to {label}",
        "Save with save_to_preset, and load and export under "
        "KERAS_BACKEND=tensorflow.",
    )
    path = pathlib.Path(filepath)
    _check_path(path, format)
    backbone = model.backbone
    if cache_length is not None:
        _check_cache_length(cache_length, backbone.max_sequence_length)
    _check_is_float32(backbone, label)
    format_conversion.check_size(format, backbone.variables)
    functions = _functions(backbone, format, cache_length)
    # Whole before a folder is made or locked: OpenVINO forks a process, which
    # would inherit the lock and keep it for seconds.
    convert = getattr(format_conversion, f"convert_to_{format}")
    converted = convert(functions, backbone.variables)
    if format == "openvino":
        with written_folder(path.parent) as folder:
            format_conversion.write_openvino(converted, folder / path.name)
            move_files(folder, path.parent.resolve(), (), marker=path.name)
    else:
        with atomic_path(path) as partial:
            partial.write_bytes(converted)
    if verbose:
        # Not rich's global console, which keeps its first output's settings.
        rich.console.Console(soft_wrap=True).print(
            f"Wrote the {label} file ({', '.join(functions)}): {path}",
            markup=False,
            highlight=False,
        )
    return path


def _functions(backbone, format, cache_length):
    """The functions of a file and their specs, by name."""
    signatures = StepSignatures(backbone, cache_length)
    with_cache = {}
    if cache_length is not None:
        with_cache = {"extend": signatures.extend()}
        if format != "litert":
            return with_cache
        with_cache["prefill"] = signatures.prefill()
    return {"serving_default": signatures.forward(), **with_cache}


def _check_path(path, format):
    suffix = SUFFIXES[format]
    if path.suffix != suffix:
        raise ValueError(
            f"filepath must end on {suffix} for format={echoed(format)}. "
            f"Received: filepath='{path}'. Pass '{path.with_suffix(suffix)}'."
        )
    if path.is_dir():
        raise IsADirectoryError(
            "filepath must be a file or not exist yet. Received: "
            f"filepath='{path}', which is a folder. Pass another path."
        )


def _check_cache_length(cache_length, context):
    check_integer("cache_length", cache_length, minimum=1)
    if cache_length > context:
        raise ValueError(
            "cache_length must be at most max_sequence_length="
            f"{context}. Received: cache_length={cache_length}. Pass the "
            "tokens that prompt and answer may have together."
        )


def _check_is_float32(backbone, label):
    """Raise, by the name of a layer, unless a converter knows its numbers."""
    layers = backbone._flatten_layers(include_self=False)
    layers = [layer for layer in layers if layer.variables]
    for layer in layers:
        mode = getattr(layer, "quantization_mode", None)
        if mode is not None:
            raise ValueError(
                f"The layers of a model for {label} must not be quantized. "
                f"Received: quantization_mode={echoed(mode)} of {layer.path}. "
                "Export it before it is quantized, or to "
                "format='tf_saved_model'."
            )
    for layer in layers:
        for dtype in (layer.variable_dtype, layer.compute_dtype):
            if dtype != "float32":
                raise ValueError(
                    f"The layers of a model for {label} must be float32. "
                    f"Received: {dtype} in {layer.path}. Load the model with "
                    "dtype='float32'."
                )
