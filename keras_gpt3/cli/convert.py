"""`keras-gpt3 convert SRC DST`: between Keras' and Hugging Face's formats."""

import pathlib
from typing import Annotated
from typing import Literal

import typer

from keras_gpt3.cli.options import Verbose
from keras_gpt3.cli.options import options_with
from keras_gpt3.cli.user_errors import user_errors

_HELP = {
    "source": "A folder in either format, hf://org/name[@revision], or a name "
    "that keras-gpt3 describe lists.",
    "destination": "A folder that does not exist or is empty.",
    "check": "Compare the logits with transformers' (needs torch).",
    "dtype": "Of the weights that are written.",
    "adapter": "A file of adapters, from finetune --lora-rank, to merge.",
    "overwrite": "Replace a model of the same format at DST; files that are "
    "no model's stay.",
}
_option = options_with(_HELP)
_DType = Literal["float32", "bfloat16", "float16"]


def convert_command(
    source: Annotated[str, typer.Argument(metavar="SRC", help=_HELP["source"])],
    destination: Annotated[
        pathlib.Path, typer.Argument(metavar="DST", help=_HELP["destination"])
    ],
    check: Annotated[bool, _option("check", "--check")] = False,
    dtype: Annotated[_DType, _option("dtype")] = "float32",
    adapter: Annotated[str | None, _option("adapter")] = None,
    overwrite: Annotated[bool, _option("overwrite", "--overwrite")] = False,
    verbose: Verbose = None,
) -> None:
    """Convert a checkpoint to a Keras preset, or a preset to a checkpoint.

    SRC decides which: GPT-2, Cerebras-GPT, GPT-Neo and OPT in Hugging Face's
    format become presets. A preset becomes the first of GPT-2, GPT-Neo and OPT
    that computes the same; GPT-3's banded layers are GPT-Neo's local ones.
    Exits with 0, with 1 if --check finds a difference, or with 2 if an argument
    or a file is wrong.
    """
    with user_errors():
        agrees = _convert(
            source, destination, check, dtype, adapter, overwrite, verbose
        )
    if not agrees:
        raise typer.Exit(code=1)


def _convert(source, destination, check, dtype, adapter, overwrite, verbose):
    """Write the model; whether its logits, if requested, are the same."""
    from keras_gpt3.atomic_write import check_is_free
    from keras_gpt3.cli.model_loading import merge_adapter
    from keras_gpt3.converters.hub_snapshot import parse_handle
    from keras_gpt3.converters.sharded_index import is_checkpoint_folder
    from keras_gpt3.models.gpt3 import GPT3
    from keras_gpt3.models.presets.checkpoint_export import check_installed
    from keras_gpt3.models.presets.preset_resolution import CHECKPOINT
    from keras_gpt3.models.presets.preset_resolution import resolve_preset
    from keras_gpt3.preset_loader import is_named_checkpoint

    if check:
        check_installed()
    # As a path, "hf://" has lost a stroke.
    if str(destination).startswith(("hf:/", "kaggle:/", "https:/")):
        raise ValueError(
            "DST must be a folder of this machine. Received: "
            f"DST={destination}. Upload what is written with "
            "keras_gpt3.upload_preset."
        )
    repository = None
    if source.startswith("hf://") or is_named_checkpoint(source):
        repository = parse_handle(source).repository
    source = resolve_preset(source)
    is_checkpoint = source.format == CHECKPOINT
    is_same_format = _is_preset if is_checkpoint else is_checkpoint_folder

    def may_replace(folder):
        return overwrite and is_same_format(folder)

    if check and is_checkpoint and adapter is not None:
        raise ValueError(
            "--check must compare models that are the same. Received: "
            f"--adapter {adapter}, which SRC lacks. Convert without --check."
        )
    # Before the model is loaded, which takes a while.
    check_is_free(destination, may_replace)
    model = GPT3.from_preset(source, load_weights=True, dtype=dtype)
    merge_adapter(model, adapter)
    if is_checkpoint:
        checkpoint = source
        _save_preset(model, destination, repository)
    else:
        checkpoint = destination
        model.export_to_transformers(destination, overwrite, verbose=verbose)
    count = f"{model.count_params():,} parameters in {dtype}"
    typer.echo(f"{count}{_written_as(destination)} -> {destination}")
    return not check or _is_same(destination, checkpoint, dtype)


def _written_as(folder):
    """The class of transformers that a checkpoint is for."""
    from keras_gpt3.converters.sharded_index import read_config_json

    architectures = read_config_json(folder).get("architectures")
    return f" as {architectures[0]}" if architectures else ""


def _save_preset(model, destination, repository):
    from keras_gpt3.models.presets.model_card import preset_folder
    from keras_gpt3.models.presets.model_card import write_model_card

    with preset_folder(destination) as folder:
        model.save_to_preset(folder)
        write_model_card(model, folder, source=repository)


def _is_preset(folder):
    """Whether a folder is in Keras' format."""
    from keras_gpt3.converters.sharded_index import read_config_json

    try:
        return "registered_name" in read_config_json(folder)
    except FileNotFoundError:
        return False


def _is_same(destination, checkpoint, dtype):
    """Compare what was written with the checkpoint, rounded as that was."""
    from keras_gpt3.models.gpt3 import GPT3
    from keras_gpt3.models.presets.checkpoint_export import (
        compare_with_transformers,
    )

    model = GPT3.from_preset(destination, load_weights=True, dtype="float32")
    comparison = compare_with_transformers(model, checkpoint, dtype)
    typer.echo(str(comparison))
    return comparison.agrees
