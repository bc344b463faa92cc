"""`keras-gpt3 describe [PRESET]`: figures of one preset, or tables of all."""

import pathlib
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.console import Group
from rich.table import Table

from keras_gpt3.cli.options import options_with
from keras_gpt3.cli.user_errors import user_errors

_HELP = {
    "plot": "Write Figure 2.2, the compute of training all sizes and other "
    "models, to this PNG, PDF or SVG. Without a preset.",
    "sustained_tflops": "For the energy: TFLOP/s that a device keeps up. "
    "Default: 24.6, a V100 on GPT-3.",
    "watts": "For the energy: what a device takes. Default: 330.",
    "pue": "For the energy: what a data center takes over what its machines "
    "do. Default: 1.1.",
}
_option = options_with(_HELP)
_PICTURES = (".png", ".pdf", ".svg")

_COLUMNS = (
    "layers",
    "width",
    "heads",
    "params",
    "Table\nD.1",
    "batch\ntokens",
    "learn.\nrate",
    "GB to\nload",
    "GB to\ntrain",
)

_CAPTION = """
Memory in float32, without activations: weights to load; weights, gradients
and AdamW's moments to train. `keras-gpt3 describe PRESET` shows one size."""

_TRAINED_CAPTION = """
Trained by this package, which holds their weights.
{}"""

_CHECKPOINTS_CAPTION = """
Published checkpoints, downloaded from Hugging Face's hub when first loaded.
{}"""


def describe_command(
    preset: Annotated[
        str | None,
        typer.Argument(help="A preset's name or folder. Default: all names."),
    ] = None,
    plot: Annotated[pathlib.Path | None, _option("plot")] = None,
    sustained_tflops: Annotated[
        float | None, _option("sustained_tflops")
    ] = None,
    watts: Annotated[float | None, _option("watts")] = None,
    pue: Annotated[float | None, _option("pue")] = None,
) -> None:
    """Show sizes, parameters, memory, recipe and energy; allocates nothing.

    Exits with 0, or with 2 if an argument is wrong.
    """
    energy = {
        "--sustained-tflops": sustained_tflops,
        "--watts": watts,
        "--pue": pue,
    }
    with user_errors():
        _check_options(preset, plot, energy)
        if preset is None:
            shown = Group(_all_presets(), _all_trained(), _all_checkpoints())
        else:
            shown = _one_preset(preset, *energy.values())
        if plot is not None:
            from keras_gpt3.planning.training_compute import (
                plot_training_compute,
            )

            plot_training_compute(plot)
    Console().print(shown)
    if plot is not None:
        typer.echo(f"\nFigure 2.2 was written to {plot}")


def _check_options(preset, plot, energy):
    """Raise at options that say nothing of what is shown."""
    given = [name for name, value in energy.items() if value is not None]
    if preset is None and given:
        raise ValueError(
            f"{given[0]} must come with a preset, whose energy it is about. "
            "Received: no preset. Name one, such as gpt3_175b_en."
        )
    if preset is not None and plot is not None:
        raise ValueError(
            "--plot must come without a preset: its figure is of all sizes. "
            f"Received: preset={preset}. Leave it out."
        )
    if plot is not None and plot.suffix not in _PICTURES:
        raise ValueError(
            f"--plot must name a file that ends in {', '.join(_PICTURES)}. "
            f"Received: --plot {plot}. Write for example compute.png."
        )


def _one_preset(preset, sustained_tflops, watts, pue):
    from keras_gpt3.planning.describe import describe
    from keras_gpt3.planning.describe import description_tables

    assumptions = {
        "sustained_flops": sustained_tflops and sustained_tflops * 1e12,
        "watts": watts,
        "pue": pue,
    }
    given = {k: v for k, v in assumptions.items() if v is not None}
    return description_tables(describe(preset), given)


def _all_presets():
    """A table of all sizes that fits 80 columns without breaking a name."""
    from keras_gpt3.planning.describe import describe
    from keras_gpt3.preset_loader import shipped_presets

    table = _table("preset", _COLUMNS, _CAPTION)
    for name in shipped_presets():
        table.add_row(*_row(describe(name)))
    return table


def _all_trained():
    """A table of the models whose weights come with the package."""
    from keras_gpt3.planning.describe import describe
    from keras_gpt3.preset_loader import trained_presets

    known = trained_presets()
    licences = [f"{name}: {known[name]['licence']}." for name in known]
    caption = _TRAINED_CAPTION.format("\n".join(licences))
    table = _table("model", ("layers", "width", "params"), caption)
    for description in map(describe, known):
        table.add_row(
            description.name,
            str(description.config["num_layers"]),
            str(description.config["hidden_dim"]),
            _short(description.num_parameters),
        )
    return table


def _all_checkpoints():
    """A table of the checkpoints that have a name, their licences below."""
    from keras_gpt3.planning.describe import describe
    from keras_gpt3.preset_loader import load_named_checkpoint
    from keras_gpt3.preset_loader import named_checkpoints

    known = {name: load_named_checkpoint(name) for name in named_checkpoints()}
    licences = {
        f"{each['family']}: {each['licence']}." for each in known.values()
    }
    caption = _CHECKPOINTS_CAPTION.format("\n".join(sorted(licences)))
    table = _table(
        "checkpoint", ("repository", "params", "GB to\nload"), caption
    )
    for name, checkpoint in known.items():
        description = describe(name)
        table.add_row(
            name,
            checkpoint["repository"],
            _short(description.num_parameters),
            _gigabytes(description.memory("float32", None)["total"]),
        )
    return table


def _table(first, columns, caption):
    table = Table(
        box=box.SIMPLE_HEAD,
        caption=caption,
        caption_justify="left",
        padding=0,
        show_edge=False,
    )
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _row(description):
    config = description.config
    paper_count = description.table_d1["parameters_millions"] * 10**6
    return (
        description.name,
        str(config["num_layers"]),
        str(config["hidden_dim"]),
        str(config["num_heads"]),
        _short(description.num_parameters),
        _short(paper_count),
        f"{description.recipe['batch_tokens'] / 1e6:.2f}M",
        description.printed["learning_rate"],
        _gigabytes(description.memory("float32", None)["total"]),
        _gigabytes(description.memory("float32", "adamw")["total"]),
    )


def _short(count):
    """A count in four digits: 125.2M, 12.85B."""
    if count < 1e9:
        return f"{count / 1e6:.4g}M"
    return f"{count / 1e9:.4g}B"


def _gigabytes(num_bytes):
    size = num_bytes / 1e9
    return f"{size:.1f}" if size < 1000 else f"{size:,.0f}"
