"""Writes the config of a pretraining run, fitted to a corpus and a machine."""

import dataclasses
import functools
import pathlib

from keras_gpt3.config_file import read_config
from keras_gpt3.config_file import write_config
from keras_gpt3.config_model import config_section
from keras_gpt3.corpus.corpus_config import SourceSection
from keras_gpt3.corpus.shard.write_buckets import VALIDATION
from keras_gpt3.models.presets.preset_resolution import resolve_preset
from keras_gpt3.planning.available_memory import available_memory
from keras_gpt3.planning.describe import describe
from keras_gpt3.planning.training_memory import MARGIN
from keras_gpt3.planning.training_memory import choose_training
from keras_gpt3.training.recipe.pretraining_config import DataSection
from keras_gpt3.training.recipe.pretraining_config import ModelSection
from keras_gpt3.training.recipe.pretraining_config import PretrainingConfig
from keras_gpt3.training.recipe.pretraining_config import RecipeSection
from keras_gpt3.training.recipe.pretraining_config import ValidationSection
from keras_gpt3.training.run.data import VALIDATION_ROWS

PRETRAIN_NAME = "pretrain.yaml"

# Fewer tokens for each weight of the blocks, and they are memorized;
# compute is best spent at about so many (Hoffmann et al. 2022).
_TOKENS_PER_WEIGHT = 20
# Layers and width of models smaller than the paper's smallest, heads of 64.
_SMALLER = ((8, 512), (6, 384), (4, 256), (2, 128))
# Smaller models need larger rates (Table 2.1), a trained one smaller ones.
_SMALLER_RATE, _FURTHER_RATE = 1e-3, 1e-4
# What a short corpus is to be divided into at least.
_LEAST_STEPS, _LEAST_CONTEXTS, _SHORTEST_CONTEXT = 500, 256, 32


def write_pretrain_file(config, summary):
    """Write `pretrain.yaml`, for `keras-gpt3 pretrain --config`.

    The run passes over as many tokens as the corpus has, at most the paper's.
    A corpus too small for the preset's model and batches gets smaller ones,
    and batches that do not fit into this machine's memory micro-batches.

    A source without documents is left out, and the weights of the others are
    divided by their sum. Where a source has none, the tokens decide.
    """
    sources = {
        name: source
        for name, source in summary["sources"].items()
        if "train" in source["shards"]
    }
    if not sources:
        return None
    folder = pathlib.Path(config.folder).resolve()
    run = PretrainingConfig(
        folder=str(folder / "run"),
        model=ModelSection(preset=config.shard.preset),
        data=DataSection(
            shards=_folders(sources, "train"),
            # Once more: a source without documents has no share.
            weights=mixture_weights({n: config.sources[n] for n in sources}),
            validation=_folders(sources, VALIDATION),
        ),
        seed=config.seed,
    )
    description = _description(config.shard.preset)
    if description is not None:
        run = _fitted(run, description, sources)
    write_config(run, folder / PRETRAIN_NAME)
    return folder / PRETRAIN_NAME


def _description(preset):
    """What the planner knows of a preset; `None` if it is but a tokenizer."""
    try:
        return describe(resolve_preset(preset, load_weights=False))
    except (ValueError, OSError):
        return None


def _fitted(run, description, sources):
    """A run that suits its corpus and this machine."""
    counts = [
        source["shards"]["train"]["tokens"] for source in sources.values()
    ]
    overrides = _smaller_model(description, sum(counts))
    length, recipe = _recipe(description, overrides, counts)
    held_out = _held_out(sources, length)
    fewest = [_contexts(source, length) for source in held_out.values()]
    rows = min([VALIDATION_ROWS, *fewest])
    return dataclasses.replace(
        run,
        model=_model(run.model.preset, description, overrides, length, recipe),
        data=dataclasses.replace(
            run.data,
            validation=_folders(held_out, VALIDATION),
            sequence_length=length,
        ),
        recipe=recipe,
        validation=ValidationSection(batch_size=rows),
    )


def _folders(sources, side):
    return {
        name: source["shards"][side]["folder"]
        for name, source in sources.items()
        if side in source["shards"]
    }


# === What fits the corpus ===


def _smaller_model(description, tokens):
    """Overrides of a preset for a corpus that it would memorize."""
    # A folder holds weights, which have their size.
    if description.recipe is None:
        return {}
    config = description.config
    sizes = ((config["num_layers"], config["hidden_dim"]), *_SMALLER)
    supported = tokens / _TOKENS_PER_WEIGHT
    # A block has four matrices of the width squared, and two of four times it.
    layers, width = next(
        (size for size in sizes if 12 * size[0] * size[1] ** 2 <= supported),
        sizes[-1],
    )
    if width == config["hidden_dim"]:
        return {}
    return {
        "num_layers": layers,
        "num_heads": width // 64,
        "hidden_dim": width,
        "intermediate_dim": 4 * width,
    }


def _recipe(description, overrides, counts):
    """Tokens of a context, and the recipe of one pass over the corpus."""
    tokens = sum(counts)
    # Each source must fill a context, and one token more is read than it has.
    fewest = _power_of_2(min(counts) - 1, 1, min(counts))
    longest = min(description.config["max_sequence_length"], fewest)
    length = _power_of_2(tokens // _LEAST_CONTEXTS, _SHORTEST_CONTEXT, longest)
    shipped = description.recipe
    paper = shipped["total_tokens"] if shipped else tokens
    usual = shipped["batch_tokens"] // length if shipped else 2**8
    contexts = _power_of_2(tokens // _LEAST_STEPS // length, 1, usual)
    rate = _SMALLER_RATE if overrides else None
    if not shipped:
        rate = _FURTHER_RATE
    return length, RecipeSection(
        total_tokens=float(min(tokens, paper)),
        batch_tokens=contexts * length,
        learning_rate=rate,
    )


def _power_of_2(number, least, most):
    """The largest power of 2 up to a number, between two bounds."""
    return min(most, max(least, 2 ** (max(1, number).bit_length() - 1)))


def _contexts(source, length):
    # As labels are the next tokens, one more is read than there are inputs.
    return (source["shards"][VALIDATION]["tokens"] - 1) // length


def _held_out(sources, length):
    """The sources whose held-out documents fill a context."""
    return {
        name: source
        for name, source in sources.items()
        if VALIDATION in source["shards"] and _contexts(source, length) > 0
    }


# === What fits the machine ===


def _model(preset, description, overrides, length, recipe):
    """The model, with micro-batches if its batches need them here."""
    choice, _ = choose_training(
        description.config | overrides,
        recipe.batch_tokens // length,
        int((1 - MARGIN) * available_memory()),
        length=length,
    )
    return ModelSection(
        preset=preset,
        overrides=overrides,
        micro_batch_size=choice.micro_batch_size,
        rematerialization=choice.rematerialization,
    )


_PATH = pathlib.Path(__file__).with_name("table_2_2.yaml")
_NOT_STATED = "Not stated."


@config_section
class _Table:
    sources: dict[str, SourceSection]


@functools.cache
def table_2_2():
    """Read the table."""
    return read_config(_Table, _PATH).sources


def complete_sources(sources):
    """Add to sources what Table 2.2 says of those of their names."""
    complete = {
        name: _complete(source, table_2_2().get(name), sources)
        for name, source in sources.items()
    }
    lacking = [name for name in complete if complete[name].weight is None]
    if 0 < len(lacking) < len(complete):
        raise ValueError(
            "Either all sources must have a weight or none. Received: no "
            f"weight of {', '.join(lacking)}. Set sources.{lacking[0]}.weight."
        )
    return complete


def mixture_weights(sources):
    """Divide weights by their sum."""
    weights = {name: source.weight for name, source in sources.items()}
    if None in weights.values():
        return None
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _complete(source, known, sources):
    """A source with the fields of the table's, else the defaults."""
    known = known or SourceSection()
    chosen = {
        field.name: getattr(known, field.name)
        for field in dataclasses.fields(source)
        if getattr(source, field.name) is None
    }
    source = dataclasses.replace(source, **chosen)
    removed = source.remove_documents_of or []
    return dataclasses.replace(
        source,
        licence=source.licence or _NOT_STATED,
        quality_filter=bool(source.quality_filter),
        # The table's own may be of a source that is not built.
        remove_documents_of=[name for name in removed if name in sources],
    )
