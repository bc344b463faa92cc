"""`keras-gpt3 generate --model MODEL "PROMPT"`: text as it is generated."""

import os
import sys
from typing import Annotated

import typer

from keras_gpt3.cli.model_loading import load_model
from keras_gpt3.cli.user_errors import user_errors


def generate_command(
    prompt: Annotated[
        str, typer.Argument(help="What to continue; - reads standard input.")
    ],
    model: Annotated[
        str | None, typer.Option(help="The folder of a model, or a handle.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="A preset's name, for a model that has learnt nothing yet."
        ),
    ] = None,
    max_new_tokens: Annotated[
        int, typer.Option(help="The most tokens to generate.")
    ] = 64,
    temperature: Annotated[
        float, typer.Option(help="0 takes the likeliest token each time.")
    ] = 1.0,
    top_k: Annotated[
        int, typer.Option(help="Tokens to draw among; 0 is all.")
    ] = 0,
    top_p: Annotated[
        float,
        typer.Option(help="Probability that those to draw among reach."),
    ] = 1.0,
    seed: Annotated[
        int, typer.Option(help="The same seed gives the same answer.")
    ] = 0,
    stop: Annotated[
        list[str] | None,
        typer.Option(help="A string to end before; may be repeated."),
    ] = None,
    truncate: Annotated[
        str | None,
        typer.Option(help="left: drop the start of a prompt that is too long."),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            help="A Keras dtype policy, such as bfloat16. Default: the model's."
        ),
    ] = None,
    quantize: Annotated[
        str | None, typer.Option(help="int8 or int4, for the weights.")
    ] = None,
) -> None:
    """Continue a prompt, and write the answer as it comes.

    Standard output gets prompt and answer, nothing else. Exits with 0, or
    with 2 if an argument is wrong.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with user_errors():
        made = load_model(_one_of(model, preset), dtype, quantize)
        if prompt == "-":
            # A file ends with a line break; the prompt need not.
            prompt = sys.stdin.read().removesuffix("\n")
        pieces = made.stream(
            prompt,
            max_new_tokens=max_new_tokens,
            stop=stop or None,
            truncate=truncate,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
        )
        # Compiled before anything is written: XLA logs a line of its own.
        first = next(pieces, "")
    typer.echo(prompt + first, nl=False)
    for piece in pieces:
        typer.echo(piece, nl=False)
    typer.echo()


def _one_of(model, preset):
    if (model is None) == (preset is None):
        raise ValueError(
            "Exactly one of --model and --preset must be given. Received: "
            f"--model={model}, --preset={preset}. Name a folder or a preset."
        )
    return preset if model is None else model
