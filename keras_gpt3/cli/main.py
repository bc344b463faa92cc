"""The `keras-gpt3` command: each subcommand is one file of this folder."""

from typing import Annotated

import typer

from keras_gpt3.cli.bias import bias_command
from keras_gpt3.cli.contamination import contamination_command
from keras_gpt3.cli.convert import convert_command
from keras_gpt3.cli.corpus import corpus_app
from keras_gpt3.cli.describe import describe_command
from keras_gpt3.cli.evaluate import evaluate_command
from keras_gpt3.cli.export import export_command
from keras_gpt3.cli.finetune import finetune_command
from keras_gpt3.cli.generate import generate_command
from keras_gpt3.cli.lm_eval import PASS_ON
from keras_gpt3.cli.lm_eval import lm_eval_command
from keras_gpt3.cli.plan import plan_command
from keras_gpt3.cli.prepare import prepare_command
from keras_gpt3.cli.pretrain import pretrain_command
from keras_gpt3.cli.scaling import scaling_command
from keras_gpt3.cli.serve import serve_command
from keras_gpt3.version import __version__

app = typer.Typer(no_args_is_help=True, add_completion=False)
app.command("describe")(describe_command)
app.command("generate")(generate_command)
app.command("plan")(plan_command)
app.command("prepare")(prepare_command)
app.add_typer(corpus_app, name="corpus")
app.command("pretrain")(pretrain_command)
app.command("finetune")(finetune_command)
app.command("convert")(convert_command)
app.command("export")(export_command)
app.command("serve")(serve_command)
app.command("evaluate")(evaluate_command)
app.command("contamination")(contamination_command)
app.command("bias")(bias_command)
app.command("scaling")(scaling_command)
app.command("lm-eval", context_settings=PASS_ON)(lm_eval_command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"keras-gpt3 {__version__}")
        raise typer.Exit()


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    """GPT-3 for Keras: plan, pretrain, fine-tune, evaluate, convert, serve."""
