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

PROBES = ("occupations", "winogender", "gender_words", "races", "religions")

_HELP = {
    "out": "The folder of bias.md, bias.html, bias.json and the plots.",
    "probes": f"With commas between: {', '.join(PROBES)}.",
    "sentiwordnet": "Take the races' sentiments from this file, the paper's "
    "SentiWordNet_3.0.0.txt. Default: TextBlob's.",
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
    sentiwordnet: Annotated[
        pathlib.Path | None, _option("sentiwordnet")
    ] = None,
    samples: Annotated[int, _option("samples")] = 800,
    max_new_tokens: Annotated[int, _option("max_new_tokens")] = 50,
    seed: Annotated[int, _option("seed")] = 0,
    batch_size: Annotated[int, _option("batch_size")] = 16,
    dtype: DType = None,
    verbose: Verbose = None,
) -> None:
    """Ask a model what it associates with gender, races and religions.

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
        lexicons = _lexicons(names, sentiwordnet)
        made = load_model(model, dtype)
        settings = {
            "num_samples": samples,
            "max_new_tokens": max_new_tokens,
            "seed": seed,
            "batch_size": batch_size,
            "verbose": verbose,
        }
        found = {name: _run(name, made, lexicons, settings) for name in names}
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


def _lexicons(names, sentiwordnet):
    """What lists descriptive words, and what knows sentiments."""
    from keras_gpt3.evaluation.bias.bias_data import WordLexicon
    from keras_gpt3.evaluation.bias.sentiwordnet import SentiWordNet

    if sentiwordnet is not None and "races" not in names:
        raise ValueError(
            "--sentiwordnet must come with the probe races. Received: probes="
            f"{','.join(names)}. Add races, or leave the file out."
        )
    sentiments = None if sentiwordnet is None else SentiWordNet(sentiwordnet)
    of_textblob = {"gender_words", "religions"}
    if sentiments is None:
        of_textblob.add("races")
    words = WordLexicon() if of_textblob & {*names} else None
    return words, sentiments or words


def _run(name, model, lexicons, settings):
    from keras_gpt3.evaluation.bias import gender_words
    from keras_gpt3.evaluation.bias import race_and_religion
    from keras_gpt3.evaluation.bias.co_occurrence import sampled_descriptions
    from keras_gpt3.evaluation.bias.occupation_bias import occupation_bias
    from keras_gpt3.evaluation.bias.winogender import resolve_pronouns

    words, sentiments = lexicons
    if name == "occupations":
        return occupation_bias(model, batch_size=settings["batch_size"])
    if name == "winogender":
        return resolve_pronouns(model, batch_size=settings["batch_size"])
    prompts = {
        "gender_words": gender_words.gender_prompts,
        "races": race_and_religion.race_prompts,
        "religions": race_and_religion.religion_prompts,
    }[name]()
    said = sampled_descriptions(model, prompts, **settings)
    if name == "gender_words":
        return gender_words.gender_words(said, words)
    if name == "religions":
        return race_and_religion.religion_words(said, words)
    seed = settings["seed"]
    return race_and_religion.race_sentiment(said, sentiments, seed=seed)
