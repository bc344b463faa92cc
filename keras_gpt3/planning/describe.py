"""`describe`: a preset's figures, without allocating a single weight."""

import dataclasses
import io
import os
import pathlib
from collections.abc import Mapping

from rich import box
from rich.console import Console
from rich.console import Group
from rich.table import Table
from rich.text import Text

from keras_gpt3.argument_checks import echoed
from keras_gpt3.planning.energy import energy_rows
from keras_gpt3.planning.energy import estimate_energy
from keras_gpt3.planning.memory import BYTES_PER_WEIGHT
from keras_gpt3.planning.memory import estimate_memory
from keras_gpt3.planning.memory import format_bytes
from keras_gpt3.planning.parameter_count import count_parameters
from keras_gpt3.planning.pass_sizes import cache_bytes
from keras_gpt3.planning.training_memory import estimate_training_memory
from keras_gpt3.preset_loader import BACKBONE_KEYS
from keras_gpt3.preset_loader import VARIANT_DEFAULTS
from keras_gpt3.preset_loader import is_named_checkpoint
from keras_gpt3.preset_loader import is_shipped
from keras_gpt3.preset_loader import load_named_checkpoint
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import trained_folder
from keras_gpt3.preset_loader import trained_presets

_REGISTERED_NAME = "keras_gpt3>GPT3Backbone"

# What `get_config` adds to the architecture.
_LAYER_KEYS = ("name", "trainable", "dtype")


def describe(preset):
    """Count parameters and memory of a GPT-3 without allocating them.

    Args:
        preset: string, `pathlib.Path`, dict or model. A name of
            `GPT3.presets`, of which nothing is downloaded, a folder written by
            `save_to_preset`, a GPT-2, GPT-Neo or OPT in Hugging Face's layout,
            the arguments of `GPT3Backbone`, or a `GPT3` or `GPT3Backbone`.

    Returns:
        A `ModelDescription`, with `num_parameters`, `parameters` by part and
        `memory(dtype, optimizer)`; printing it shows them as tables.

    Raises:
        ValueError: If there is no such preset, or if a config lacks a size or
            holds a key that `GPT3Backbone` does not have.

    Example:

    ```python
    import keras_gpt3

    keras_gpt3.describe("gpt3_175b_en").num_parameters  # 174604259328
    ```
    """
    if isinstance(preset, Mapping):
        return _from_config(preset.get("name") or "GPT3Backbone", preset)
    if hasattr(preset, "get_config"):
        backbone = getattr(preset, "backbone", preset)
        return _from_config(preset.name, backbone.get_config())
    if is_named_checkpoint(preset):
        return _from_checkpoint(preset)
    if trained_folder(preset):
        return _from_trained(preset)
    if not is_shipped(preset) and _is_folder(preset):
        return _from_config(str(preset), _read_folder(pathlib.Path(preset)))
    if str(preset).startswith("hf://"):
        raise ValueError(
            "preset must be on this machine to be described. "
            f"Received: preset={echoed(preset)}. "
            "Load it with GPT3.from_preset and describe the model."
        )
    return _from_shipped(load_shipped_preset(preset))


def _from_shipped(preset):
    return ModelDescription(
        name=preset["name"],
        config=preset["backbone"],
        parameters=count_parameters(preset["backbone"]),
        summary=preset["description"],
        printed=preset["printed"],
        resolution=preset["resolution"],
        recipe=preset["recipe"],
        table_d1=preset["table_d1"],
    )


def _from_trained(name):
    description = _from_config(name, _read_folder(trained_folder(name)))
    summary = trained_presets()[name]["description"]
    return dataclasses.replace(description, summary=summary)


def _from_checkpoint(name):
    # Imported here: shipped presets are described without it.
    from keras_gpt3.converters.checkpoint_families import family_of

    known = load_named_checkpoint(name)
    arguments = family_of(known["config"]).backbone_arguments(known["config"])
    description = _from_config(name, arguments)
    return dataclasses.replace(description, summary=known["description"])


def _from_config(name, config):
    known = (*BACKBONE_KEYS, *VARIANT_DEFAULTS)
    unknown = [k for k in config if k not in (*known, *_LAYER_KEYS)]
    if unknown:
        # It might change the count, so guessing would be wrong.
        raise ValueError(
            "config must hold arguments of GPT3Backbone only. "
            f"Received: unknown={unknown}. Use {', '.join(known)}."
        )
    architecture = {k: config[k] for k in BACKBONE_KEYS if k in config}
    # Only what is not as in GPT-3.
    architecture |= {
        k: config[k]
        for k, usual in VARIANT_DEFAULTS.items()
        if config.get(k, usual) != usual
    }
    return ModelDescription(
        name=name,
        config=architecture,
        parameters=count_parameters(architecture),
    )


def _is_folder(preset):
    # A number would be taken for a file descriptor.
    return isinstance(preset, (str, os.PathLike)) and os.path.isdir(preset)


def _read_folder(folder):
    """The backbone's arguments that a preset's or checkpoint's folder holds."""
    # Imported here: shipped presets are described without them.
    from keras_gpt3.converters.checkpoint_families import family_of
    from keras_gpt3.converters.sharded_index import is_checkpoint_folder
    from keras_gpt3.converters.sharded_index import read_config_json

    try:
        content = read_config_json(folder)
    except FileNotFoundError:
        content = {}
    if is_checkpoint_folder(folder):
        return family_of(content).backbone_arguments(content)
    registered = content.get("registered_name")
    if registered != _REGISTERED_NAME:
        raise ValueError(
            f"preset must be a folder whose config.json is of a "
            f"{_REGISTERED_NAME}. Received: preset={echoed(str(folder))}, "
            f"registered_name={echoed(registered)}. "
            "Write one with model.save_to_preset(folder)."
        )
    return content["config"]


class PrintedTables:
    """What has `__rich__`, and shows the same to `print` and at a prompt."""

    def __str__(self):
        console = Console(file=io.StringIO(), width=80)
        console.print(self)
        lines = console.file.getvalue().splitlines()
        return "\n".join(line.rstrip() for line in lines)

    # A prompt shows the tables too: that is what one calls `describe` for.
    def __repr__(self):
        return str(self)


@dataclasses.dataclass(frozen=True, repr=False)
class ModelDescription(PrintedTables):
    """The figures of a GPT-3: parameters by part, memory, paper and recipe.

    Printing it shows them as tables of at most 80 columns.

    Args:
        name: string. The name of the preset, folder or model.
        config: dict. The arguments of `GPT3Backbone`.
        parameters: dict. From part to number of parameters.
        summary: string. One sentence on the preset. Defaults to `None`.
        printed: dict. The preset's row of Table 2.1, as printed. Defaults to
            `None`.
        resolution: string. Why `config` deviates from `printed`. Defaults to
            `None`.
        recipe: dict. Batch in tokens, learning rate, total tokens. Defaults to
            `None`.
        table_d1: dict. The preset's column of Table D.1. Defaults to `None`.

    Example:

    ```python
    import keras_gpt3

    description = keras_gpt3.describe("gpt3_small_en")
    description.num_parameters  # 125226240
    description.memory("float32", "adamw")["total"]  # 2003619840
    description.training_memory("float32", batch_size=2)["total"]
    print(description)
    ```
    """

    name: str
    config: dict
    parameters: dict
    summary: str | None = None
    printed: dict | None = None
    resolution: str | None = None
    recipe: dict | None = None
    table_d1: dict | None = None

    @property
    def num_parameters(self):
        """The number of parameters of all parts, an int."""
        return sum(self.parameters.values())

    def memory(self, dtype="float32", optimizer="adamw"):
        """Compute the bytes of the variables.

        Args:
            dtype: string. A Keras dtype policy. Defaults to `"float32"`.
            optimizer: string. `"adamw"`, `"adam"` or `"sgd"`; `None` for
                weights alone. Defaults to `"adamw"`.

        Returns:
            A dict from part to int bytes, what `estimate_memory` returns.
        """
        return estimate_memory(self.num_parameters, dtype, optimizer)

    def training_memory(self, dtype="float32", optimizer="adamw", **options):
        """Compute the bytes that a training step takes, activations included.

        Args:
            dtype: string. A Keras dtype policy. Defaults to `"float32"`.
            optimizer: string. `"adamw"`, `"adam"` or `"sgd"`. Defaults to
                `"adamw"`.
            **options: Other arguments of `estimate_training_memory`, such as
                `batch_size`; without an `accelerator` it is the memory of a
                CPU.

        Returns:
            A dict from part to int bytes, what `estimate_training_memory`
            returns.
        """
        return estimate_training_memory(
            self.config, dtype=dtype, optimizer=optimizer, **options
        )

    def cache(self, dtype="float32", batch_size=1, length=None):
        """Compute the bytes of the cache for generation.

        Args:
            dtype: string. A Keras dtype policy. Defaults to `"float32"`.
            batch_size: int. Rows of the cache. Defaults to `1`.
            length: int. Positions of a row. Defaults to `None`, the whole
                context.

        Returns:
            An int, bytes.
        """
        return cache_bytes(self.config, dtype, batch_size, length)

    @property
    def total_tokens(self):
        """The tokens of the recipe's run, an int; `None` without a recipe."""
        return self.recipe["total_tokens"] if self.recipe else None

    def energy(self, **assumptions):
        """Estimate what training and generation take (section 6.3).

        Args:
            **assumptions: `sustained_flops` of a device, its `watts` and the
                `pue` of its data center. Default to those of the V100s that
                trained GPT-3, by Patterson et al. 2021 (arXiv 2104.10350).

        Returns:
            A dict of floats, kilowatt-hours: `"pages"` to generate 100 of
            them, at least, and where there is a recipe `"training"`.

        Raises:
            ValueError: If a number is not above 0, or `pue` is below 1.
        """
        return estimate_energy(
            self.num_parameters, self.total_tokens, **assumptions
        )

    def __rich__(self):
        return description_tables(self)


def description_tables(description, assumptions=None):
    """Lay out a model's figures as tables of at most 80 columns.

    `assumptions` are those of its method `energy`, where not the usual ones.
    """
    parts = [Text(description.summary or description.name, style="bold")]
    if description.printed:
        parts.append(_paper_table(description))
        if description.resolution:
            parts.append(Text(f"Why: {description.resolution}"))
    parts.append(_architecture_table(description.config))
    parts.append(_parameter_table(description))
    parts.append(_memory_table(description))
    parts.append(_training_table(description))
    if description.table_d1:
        parts.append(_compute_table(description))
    parts.append(_energy_table(description, assumptions or {}))
    return Group(*parts)


def titled_table(title, *columns, **options):
    """A table whose first column stands left, the others right."""
    table = Table(
        title=f"\n{title}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        min_width=60,
        **options,
    )
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def _paper_table(description):
    """Table 2.1 as printed, beside what the preset makes of it."""
    printed = description.printed
    config = description.config
    recipe = description.recipe
    length = config["max_sequence_length"]
    resolved = {
        "n_params": f"{description.num_parameters / 1e6:,.1f}M",
        "n_layers": config["num_layers"],
        "d_model": config["hidden_dim"],
        "n_heads": config["num_heads"],
        "d_head": config["hidden_dim"] // config["num_heads"],
        "batch_size": f"{recipe['batch_tokens'] // length} x {length}",
        "learning_rate": _as_printed(recipe["learning_rate"]),
    }
    table = titled_table(
        "Size and recipe", "", "Table 2.1 prints", "preset uses"
    )
    for key, value in resolved.items():
        deviates = isinstance(value, int) and value != printed[key]
        table.add_row(
            key,
            str(printed[key]),
            str(value),
            style="bold yellow" if deviates else "",
        )
    return table


def _as_printed(learning_rate):
    """A learning rate in the paper's form, with the exponent -4."""
    return f"{learning_rate * 1e4:.1f}e-4"


def _architecture_table(config):
    table = titled_table("Architecture", "argument of GPT3Backbone", "value")
    for key, value in config.items():
        pattern = isinstance(value, (list, tuple))
        table.add_row(key, ", ".join(value) if pattern else str(value))
    return table


def _parameter_table(description):
    table = titled_table("Parameters", "part", "parameters", "share")
    total = description.num_parameters
    for part, count in description.parameters.items():
        table.add_row(part, f"{count:,}", f"{count / total:.1%}")
    table.add_section()
    table.add_row("total", f"{total:,}", "")
    return table


def _memory_table(description):
    table = titled_table(
        "Memory without activations",
        "dtype",
        "weights",
        "to train, SGD",
        "to train, AdamW",
        "cache, 1 row",
    )
    for dtype in BYTES_PER_WEIGHT:
        totals = (
            description.memory(dtype, optimizer)["total"]
            for optimizer in (None, "sgd", "adamw")
        )
        sizes = (*totals, description.cache(dtype))
        table.add_row(dtype, *(format_bytes(size) for size in sizes))
    return table


def _training_table(description):
    """What a step takes at the whole context, and what saves how much."""
    # Of each column: dtype and accelerator.
    columns = {
        "float32, CPU": ("float32", None),
        "mixed_bfloat16, GPU": ("mixed_bfloat16", "tensorflow"),
    }
    table = titled_table(
        f"Memory to train with AdamW, batch 1 x "
        f"{description.config['max_sequence_length']}",
        "rematerialization",
        *(title for column in columns for title in (column, "saves")),
    )
    totals = {
        policy: [
            description.training_memory(
                dtype, rematerialization=policy, accelerator=accelerator
            )["total"]
            for dtype, accelerator in columns.values()
        ]
        for policy in ("none", 2, "block")
    }
    labels = {"none": "none", 2: "2 (every 2nd block)", "block": "block"}
    for policy, sizes in totals.items():
        cells = []
        for before, size in zip(totals["none"], sizes, strict=True):
            cells += [format_bytes(size), format_bytes(before - size)]
        table.add_row(labels[policy], *cells)
    return table


def _compute_table(description):
    """Table D.1, beside 6 FLOPs for each parameter and token."""
    paper = description.table_d1
    tokens = description.total_tokens
    flops = 6 * description.num_parameters * tokens
    table = titled_table(
        f"Training compute, {tokens / 1e9:.0f}B tokens",
        "",
        "Table D.1 prints",
        "computed",
    )
    rows = {
        "parameters": (
            f"{paper['parameters_millions']:,}M",
            f"{description.num_parameters / 1e6:,.1f}M",
        ),
        "petaflop/s-days": (
            f"{paper['petaflop_s_days']:,}",
            f"{flops / 1e15 / 86400:,.2f}",
        ),
        "FLOPs": (f"{paper['flops']:.2e}", f"{flops:.2e}"),
    }
    for label, values in rows.items():
        table.add_row(label, *values)
    return table


def _energy_table(description, assumptions):
    """Section 6.3, whose figure for 100 pages of 175B is 0.4 kWh."""
    table = titled_table("Energy, estimated", "", "", show_header=False)
    rows = energy_rows(
        description.num_parameters, description.total_tokens, **assumptions
    )
    for label, value in rows.items():
        table.add_row(label, value)
    return table
