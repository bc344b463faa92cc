"""`keras-gpt3 finetune --model M --data PAIRS --out DIR`."""

import pathlib
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
    "warmup_fraction": "Share of the steps that warm up.",
    "lora_rank": "Rank of low-rank adapters; 0 trains all weights.",
    "weight_decay": "Of all matrices, a step and learning rate.",
    "clip_norm": "Bound on the gradient's global norm; 0 for none.",
    "lora_alpha": "An adapter counts alpha / rank times. Default: the rank.",
    "lora_layers": "Names of layers to adapt, with commas between. Default: "
    "query_key_value.",
    "sequence_length": "Tokens of a row. Default: the model's context.",
    "layout": "padded gives each pair a row; packed puts several into one, "
    "where none sees another.",
    "dtype": "A Keras dtype policy, such as mixed_bfloat16; the model is saved "
    "with it.",
    "rematerialization": "none, block, or k for every k-th block.",
    "seed": "Of the order of the pairs, new adapters and dropout.",
    "truncate": "left drops the start of prompts that are too long.",
    "merge": "With adapters: whether to write the whole model as well.",
}
_option = options_with(_HELP)


def _names(text):
    """The names between commas; `None` where none are given."""
    if text is None:
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip())


def finetune_command(
    context: typer.Context,
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
    warmup_fraction: Annotated[float, _option("warmup_fraction")] = 0.05,
    weight_decay: Annotated[float, _option("weight_decay")] = 0.01,
    clip_norm: Annotated[
        float, _option("clip_norm", callback=lambda value: value or None)
    ] = 1.0,
    lora_rank: Annotated[int, _option("lora_rank")] = 0,
    lora_alpha: Annotated[float | None, _option("lora_alpha")] = None,
    lora_layers: Annotated[
        str | None, _option("lora_layers", callback=_names)
    ] = None,
    sequence_length: Annotated[int | None, _option("sequence_length")] = None,
    layout: Annotated[str, _option("layout")] = "padded",
    dtype: Annotated[str | None, _option("dtype")] = None,
    rematerialization: Annotated[
        str,
        _option(
            "rematerialization",
            callback=lambda text: int(text) if text.isdecimal() else text,
        ),
    ] = "none",
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
    with user_errors():
        check_tensorflow("finetune", ", or train with GPT3.fit")
        _run(**context.params)


def _run(
    model,
    dtype,
    data,
    validation_data,
    out,
    sequence_length,
    truncate,
    merge,
    verbose,
    **fields,
):
    """Run the command; `fields` are those of the recipe, by their names."""
    import keras

    from keras_gpt3.atomic_write import check_is_free
    from keras_gpt3.data.completion_pairs import read_completion_pairs
    from keras_gpt3.planning.preflight import StepMemoryError
    from keras_gpt3.training.finetuning.finetune import finetune
    from keras_gpt3.training.finetuning.folder import check_can_be_written
    from keras_gpt3.training.finetuning.folder import write_finetuned
    from keras_gpt3.training.finetuning.recipe import FinetuningRecipe

    # Everything that can be wrong, before the model is trained.
    recipe = FinetuningRecipe(**fields)
    check_is_free(out)
    check_can_be_written(None, recipe, adapter_only=not merge)
    files = {"data": data, "validation_data": validation_data}
    pairs = [file and read_completion_pairs(file) for file in files.values()]
    keras.utils.set_random_seed(recipe.seed)
    settings = {"model": model}
    model = _load(model, dtype, sequence_length)
    check_can_be_written(model, recipe, adapter_only=not merge)
    fit = {"sequence_length": sequence_length, "truncate": truncate}
    training, validation = (
        some and _encoded(some, model, file, fit)
        for some, file in zip(pairs, files.values(), strict=True)
    )
    try:
        history = finetune(model, training, recipe, validation, verbose)
    except StepMemoryError as error:
        raise error.with_remedy(_options) from None
    settings["dtype"] = model.backbone.dtype_policy.name
    settings |= {name: file and str(file) for name, file in files.items()} | fit
    written = write_finetuned(model, out, history, recipe, not merge, settings)
    typer.echo(_summary(history))
    for name, path in written.items():
        typer.echo(f"{_MEANINGS[name]} written to {path}")


def _options(choice):
    """The remedy of a step that does not fit."""
    size, policy = choice.micro_batch_size, choice.rematerialization
    if size is None:
        return f"Pass --rematerialization {policy} without --micro-batch-size."
    return f"Pass --micro-batch-size {size} --rematerialization {policy}."


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
