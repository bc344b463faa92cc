"""`keras-gpt3 lm-eval ...`: lm-evaluation-harness' own command."""

import sys

import typer

from keras_gpt3.cli.user_errors import user_errors

# The harness reads its own options, `--help` among them.
PASS_ON = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
_OTHER_COMMANDS = ("ls", "validate")
# The harness' own is 1.
_BATCH_SIZE = "8"


def lm_eval_command(context: typer.Context) -> None:
    """Run tasks of lm-evaluation-harness, by its own options.

    As lm-eval run, for models of this package: --model_args preset=MODEL
    --tasks NAMES. Exits with 0, or with 2 if an argument is wrong.
    """
    with user_errors():
        _check_model(context.args)
        evaluate = _harness_command()
        before, sys.argv = sys.argv, _harness_arguments(context.args)
        try:
            evaluate()
        finally:
            sys.argv = before


def _harness_arguments(arguments):
    """The command line as `lm-eval` would get it."""
    if arguments and arguments[0] in _OTHER_COMMANDS:
        return ["lm-eval", *arguments]
    if arguments and arguments[0] == "run":
        arguments = arguments[1:]
    options = ["--model", "keras-gpt3"]
    if not any(a.startswith(("--config", "-C")) for a in arguments):
        # A config may have its own, which an option would override.
        options += ["--batch_size", _BATCH_SIZE]
    return ["lm-eval", "run", *options, *arguments]


def _check_model(arguments):
    named = [a for a in arguments if a.partition("=")[0] in ("--model", "-M")]
    if named:
        raise ValueError(
            "--model must be left out, for it is always keras-gpt3. Received: "
            f"{named[0]}. Name the model as --model_args preset=..."
        )


def _harness_command():
    """The function of `lm-eval`, which now knows our model."""
    import keras_gpt3.evaluation  # noqa: F401  Registers it.
    from keras_gpt3.needed_packages import needed_packages

    need = "lm-evaluation-harness must be installed for lm-eval"
    with needed_packages(need, "evaluate"):
        from lm_eval.__main__ import cli_evaluate
    return cli_evaluate
