"""The tables that show a model's figures (needs rich)."""

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from keras_gpt3.planning.byte_size import format_bytes
from keras_gpt3.planning.dtype_bytes import BYTES_PER_WEIGHT


def description_tables(description):
    """Lays out a model's figures as tables of at most 80 columns."""
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
    return Group(*parts)


def _table(title, *columns):
    table = Table(
        title=f"\n{title}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        min_width=60,
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
    table = _table("Size and recipe", "", "Table 2.1 prints", "preset uses")
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
    table = _table("Architecture", "argument of GPT3Backbone", "value")
    for key, value in config.items():
        pattern = isinstance(value, (list, tuple))
        table.add_row(key, ", ".join(value) if pattern else str(value))
    return table


def _parameter_table(description):
    table = _table("Parameters", "part", "parameters", "share")
    total = description.num_parameters
    for part, count in description.parameters.items():
        table.add_row(part, f"{count:,}", f"{count / total:.1%}")
    table.add_section()
    table.add_row("total", f"{total:,}", "")
    return table


def _memory_table(description):
    table = _table(
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
    table = _table(
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
    tokens = description.recipe["total_tokens"]
    flops = 6 * description.num_parameters * tokens
    table = _table(
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
