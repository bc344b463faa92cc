"""`keras-gpt3 finetune --model M --data PAIRS --out DIR`."""

import pathlib
import re
from typing import Annotated

import typer

from keras_gpt3.cli.model_loading import check_tensorflow
from keras_gpt3.cli.options import Model
from keras_gpt3.cli.options import Verbose
from keras_gpt3.cli.options import options_with
from keras_gpt3.cli.user_errors import user_errors

# What the options mean, by their names.
_HELP = {
    "data": "A .jsonl or .jsonl.gz of prompts and completions: one JSON object "
    'a line, with "prompt" (or "context") and "completion".',
    "out": "The folder to write; new, or empty.",
    "validation_data": "Pairs that choose the epoch whose weights stay.",
    "epochs": "Passes over the pairs.",
    "batch_size": "Rows of a batch.",
    "micro_batch_size": "Rows whose gradients are computed at a time.",
    "learning_rate": "The peak. Default: 2e-5; 2e-4 for adapters.",
    "lora_rank": "Rank of low-rank adapters; 0 trains all weights.",
    "weight_decay": "Of all matrices, a step and learning rate.",
    "lora_alpha": "An adapter counts alpha / rank times. Default: the rank.",
    "lora_layers": "Names of layers to adapt, with commas between. Default: "
    "query_key_value.",
    "sequence_length": "Tokens of a row. Default: the model's context.",
    "layout": "padded gives each pair a row; packed puts several into one, "
    "where they see those before them.",
    "dtype": "A Keras dtype policy, such as mixed_bfloat16; the model is saved "
    "with it.",
    "rematerialization": "none, block, or k for every k-th block.",
    "seed": "Of the order of the pairs, new adapters and dropout.",
    "truncate": "left drops the start of prompts that are too long.",
    "merge": "With adapters: whether to write the whole model as well.",
}
_option = options_with(_HELP)


def finetune_command(
    model: Model,
    data: Annotated[pathlib.Path, _option("data")],
    out: Annotated[pathlib.Path, _option("out")],
    validation_data: Annotated[
        pathlib.Path | None, _option("validation_data")
    ] = None,
    epochs: Annotated[int, _option("epochs")] = 3,
    batch_size: Annotated[int, _option("batch_size")] = 16,
    micro_batch_size: Annotated[int | None, _option("micro_batch_size")] = None,
    learning_rate: Annotated[float | None, _option("learning_rate")] = None,
    weight_decay: Annotated[float, _option("weight_decay")] = 0.01,
    lora_rank: Annotated[int, _option("lora_rank")] = 0,
    lora_alpha: Annotated[float | None, _option("lora_alpha")] = None,
    lora_layers: Annotated[str | None, _option("lora_layers")] = None,
    sequence_length: Annotated[int | None, _option("sequence_length")] = None,
    layout: Annotated[str, _option("layout")] = "padded",
    dtype: Annotated[str | None, _option("dtype")] = None,
    rematerialization: Annotated[str, _option("rematerialization")] = "none",
    seed: Annotated[int, _option("seed")] = 0,
    truncate: Annotated[str | None, _option("truncate")] = None,
    merge: Annotated[bool, _option("merge", "--merge/--adapter-only")] = True,
    verbose: Verbose = None,
) -> None:
    """Fine-tune a model on prompts and completions.

    The loss is on the completions only. Writes the model, its adapters if
    there are any, its history and a picture of its curves, at the end and all
    at once. Exits with 0, or with 2 if an argument or a file is wrong.
    """
    if rematerialization.isdecimal():
        rematerialization = int(rematerialization)
    fields = {
        "epochs": epochs,
        "batch_size": batch_size,
        "micro_batch_size": micro_batch_size,
        "learning_rate": learning_rate,
        "layout": layout,
        "weight_decay": weight_decay,
        "lora_rank": lora_rank,
        "lora_alpha": lora_alpha,
        "lora_layers": _names(lora_layers),
        "rematerialization": rematerialization,
        "seed": seed,
    }
    fit = {"sequence_length": sequence_length, "truncate": truncate}
    files = (data, validation_data)
    with user_errors():
        check_tensorflow("finetune", ", or train with GPT3.fit")
        _run(model, dtype, files, out, fields, fit, merge, verbose)


def _names(text):
    """The names between commas; `None` where none are given."""
    if text is None:
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _run(preset, dtype, files, out, fields, fit, merge, verbose):
    import keras

    from keras_gpt3.atomic_write import check_is_free
    from keras_gpt3.data.completion_pairs import read_completion_pairs
    from keras_gpt3.training.finetuning.finetune import finetune
    from keras_gpt3.training.finetuning.folder import check_can_be_written
    from keras_gpt3.training.finetuning.folder import write_finetuned
    from keras_gpt3.training.finetuning.recipe import FinetuningRecipe

    # Everything that can be wrong, before the model is trained.
    recipe = FinetuningRecipe(**fields)
    check_is_free(out)
    check_can_be_written(None, recipe, adapter_only=not merge)
    pairs = [file and read_completion_pairs(file) for file in files]
    keras.utils.set_random_seed(recipe.seed)
    model = _load(preset, dtype, fit["sequence_length"])
    check_can_be_written(model, recipe, adapter_only=not merge)
    training, validation = (
        some and _encoded(some, model, file, fit)
        for some, file in zip(pairs, files, strict=True)
    )
    try:
        history = finetune(model, training, recipe, validation, verbose)
    except MemoryError as error:
        raise MemoryError(_RECIPE.sub(_OPTIONS, str(error))) from None
    names = zip(("data", "validation_data"), files, strict=True)
    settings = {"model": preset, "dtype": model.backbone.dtype_policy.name}
    settings |= {name: file and str(file) for name, file in names} | fit
    written = write_finetuned(model, out, history, recipe, not merge, settings)
    typer.echo(_summary(history))
    for name, path in written.items():
        typer.echo(f"{_MEANINGS[name]} written to {path}")


# How a remedy is written in Python, and here.
_RECIPE = re.compile(
    r"Pass a recipe with micro_batch_size=(\d+), rematerialization='?(\w+)'?"
)
_OPTIONS = r"Pass --micro-batch-size \1 --rematerialization \2"

_MEANINGS = {
    "preset": "Model",
    "adapter.lora.h5": "Adapters",
    "history.json": "History",
    "curves.png": "Curves",
}


def _load(preset, dtype, sequence_length):
    from keras_gpt3.cli.model_loading import load_model
    from keras_gpt3.ops.sequence_checks import check_sequence_length

    model = load_model(preset, dtype)
    if model.preprocessor is None:
        raise ValueError(
            "The model must have a tokenizer. Received: "
            f"model={preset}, without one. Save it with its preprocessor."
        )
    check_sequence_length(sequence_length, model.backbone.max_sequence_length)
    return model


def _encoded(pairs, model, file, fit):
    from keras_gpt3.data.completion_pairs import CompletionExamples

    examples = CompletionExamples(pairs, model.preprocessor, **fit)
    typer.echo(
        f"{len(examples):,} pairs with {examples.num_completion_tokens:,} "
        f"tokens to predict in {file}"
    )
    return examples


def _summary(history):
    best = history.epochs[history.best_epoch]
    name = "val_loss" if "val_loss" in best else "loss"
    word = "Validation loss" if name == "val_loss" else "Loss"
    return (
        f"{word} of the weights kept, of epoch {history.best_epoch + 1}: "
        f"{best[name]:.4f} nats per completion token"
    )
