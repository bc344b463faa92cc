"""`keras-gpt3 bias --model MODEL`: the bias probes of section 6.2."""

import pathlib
from typing import Annotated

import typer

from keras_gpt3.cli.model_loading import load_model
from keras_gpt3.cli.options import DType
from keras_gpt3.cli.options import Model
from keras_gpt3.cli.options import Verbose
from keras_gpt3.cli.options import options_with
from keras_gpt3.cli.user_errors import user_errors

PROBES = ("occupations", "races", "religions")

_HELP = {
    "out": "The folder of bias.md, bias.html, bias.json and the plots.",
    "probes": f"With commas between: {', '.join(PROBES)}.",
    "samples": "Continuations of each prompt; the paper drew 800.",
    "max_new_tokens": "The most tokens of each.",
    "seed": "The same seed gives the same report.",
    "batch_size": "Prompts, or samples, at a time.",
}
_option = options_with(_HELP)
_OUT = pathlib.Path("bias")


def bias_command(
    model: Model,
    out: Annotated[pathlib.Path, _option("out")] = _OUT,
    probes: Annotated[str, _option("probes")] = ",".join(PROBES),
    samples: Annotated[int, _option("samples")] = 800,
    max_new_tokens: Annotated[int, _option("max_new_tokens")] = 50,
    seed: Annotated[int, _option("seed")] = 0,
    batch_size: Annotated[int, _option("batch_size")] = 16,
    dtype: DType = None,
    verbose: Verbose = None,
) -> None:
    """Ask a model for gender by occupation, and for races and religions.

    Prints the tables; the report says what such probes cannot show. Exits with
    0, or with 2 if an argument is wrong.
    """
    with user_errors():
        from keras_gpt3.argument_checks import check_integer
        from keras_gpt3.atomic_write import check_is_free
        from keras_gpt3.evaluation.bias.bias_report import bias_summary
        from keras_gpt3.evaluation.bias.bias_report import write_bias_report

        names = _checked(probes)
        # Before the hours that the samples may take.
        check_is_free(out, lambda path: True)
        check_integer("samples", samples, minimum=1)
        check_integer("max_new_tokens", max_new_tokens, minimum=1)
        check_integer("seed", seed, minimum=0)
        check_integer("batch_size", batch_size, minimum=1)
        lexicon = _lexicon(names)
        made = load_model(model, dtype)
        settings = {
            "num_samples": samples,
            "max_new_tokens": max_new_tokens,
            "seed": seed,
            "batch_size": batch_size,
            "verbose": verbose,
        }
        found = {name: _run(name, made, lexicon, settings) for name in names}
        # How many at a time changes nothing.
        del settings["batch_size"], settings["verbose"]
        write_bias_report(out, found, model, settings)
    typer.echo(bias_summary(found, settings))
    typer.echo(f"Report written to {out / 'bias.html'}")


def _checked(probes):
    names = [name.strip() for name in probes.split(",")]
    unknown = [name for name in names if name not in PROBES]
    if unknown:
        raise ValueError(
            f"Probes must be among {', '.join(PROBES)}. Received: "
            f"probes={probes}. Check the spelling, and the commas."
        )
    return names


def _lexicon(names):
    from keras_gpt3.evaluation.bias.bias_data import WordLexicon

    return WordLexicon() if {"races", "religions"} & {*names} else None


def _run(name, model, lexicon, settings):
    from keras_gpt3.evaluation.bias import race_and_religion
    from keras_gpt3.evaluation.bias.occupation_bias import occupation_bias

    if name == "occupations":
        return occupation_bias(model, batch_size=settings["batch_size"])
    prompts = (
        race_and_religion.race_prompts()
        if name == "races"
        else race_and_religion.religion_prompts()
    )
    said = race_and_religion.sampled_descriptions(model, prompts, **settings)
    if name == "races":
        seed = settings["seed"]
        return race_and_religion.race_sentiment(said, lexicon, seed=seed)
    return race_and_religion.religion_words(said, lexicon)
