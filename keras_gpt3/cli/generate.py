"""`keras-gpt3 generate --model MODEL "PROMPT"`: text as it is generated."""

import sys
from typing import Annotated

import typer

from keras_gpt3.cli.model_loading import load_model
from keras_gpt3.cli.options import Adapter
from keras_gpt3.cli.options import DType
from keras_gpt3.cli.options import Quantize
from keras_gpt3.cli.options import options_with
from keras_gpt3.cli.user_errors import user_errors

_HELP = {
    "model": "A model's folder, hf://..., or a name that keras-gpt3 describe "
    "lists; GPT-3's own sizes have learnt nothing yet.",
    "max_new_tokens": "The most tokens to generate.",
    "temperature": "0 takes the likeliest token each time.",
    "top_k": "Tokens to draw among; 0 is all.",
    "top_p": "Probability that those to draw among reach.",
    "seed": "The same seed gives the same answer. Default: another each time.",
    "stop": "A string to end before; may be repeated.",
    "truncate": "left: drop the start of a prompt that is too long.",
}
_option = options_with(_HELP)


def generate_command(
    prompt: Annotated[
        str, typer.Argument(help="What to continue; - reads standard input.")
    ],
    model: Annotated[str, _option("model")],
    max_new_tokens: Annotated[int, _option("max_new_tokens")] = 64,
    temperature: Annotated[float, _option("temperature")] = 1.0,
    top_k: Annotated[int, _option("top_k")] = 0,
    top_p: Annotated[float, _option("top_p")] = 1.0,
    seed: Annotated[int | None, _option("seed")] = None,
    stop: Annotated[list[str] | None, _option("stop")] = None,
    truncate: Annotated[str | None, _option("truncate")] = None,
    dtype: DType = None,
    quantize: Quantize = None,
    adapter: Adapter = None,
) -> None:
    """Continue a prompt, and write the answer as it comes.

    Standard output gets prompt and answer, nothing else. Exits with 0, or
    with 2 if an argument is wrong.
    """
    with user_errors():
        made = load_model(model, dtype, quantize, adapter)
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
