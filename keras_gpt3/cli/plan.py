"""`keras-gpt3 plan PRESET`: whether a model can be trained, and how."""

from typing import Annotated

import typer
from rich.console import Console

from keras_gpt3.cli.user_errors import user_errors
from keras_gpt3.planning.plan import plan


def plan_command(
    preset: Annotated[
        str, typer.Argument(help="A preset's name or the folder of a model.")
    ],
    memory: Annotated[
        str | None,
        typer.Option(
            help="Memory of one device, such as 80GB or 74.5GiB. "
            "Default: what is available here."
        ),
    ] = None,
    devices: Annotated[
        int, typer.Option(help="Devices, each with the whole model.")
    ] = 1,
    dtype: Annotated[
        str, typer.Option(help="A Keras dtype policy.")
    ] = "mixed_bfloat16",
    batch_tokens: Annotated[
        int | None,
        typer.Option(
            help="Tokens of the batch of all devices. "
            "Default: as in the preset's recipe."
        ),
    ] = None,
    length: Annotated[
        int | None,
        typer.Option(help="Tokens in a row. Default: the preset's context."),
    ] = None,
) -> None:
    """Say whether a model fits to be trained, and with which arguments.

    Picks micro-batches and rematerialization, and shows what takes how much
    memory. Nothing is allocated. Exits with 0 if the model fits, 1 if it does
    not, 2 if an argument is wrong.
    """
    with user_errors():
        result = plan(preset, memory, devices, dtype, batch_tokens, length)
    Console().print(result)
    if not result.fits:
        raise typer.Exit(code=1)
