"""`keras-gpt3 scaling RUNS...`: the law by which loss fell with compute."""

import pathlib
from typing import Annotated

import typer

from keras_gpt3.cli.user_errors import user_errors


def scaling_command(
    runs: Annotated[
        list[pathlib.Path],
        typer.Argument(help="Folders of pretraining runs, at least 3."),
    ],
    out: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder for scaling.md, scaling.json and scaling.png."
        ),
    ] = None,
    points: Annotated[
        str,
        typer.Option(
            help="Fit to the last point of each run (last), or to the lowest "
            "loss of any run at a compute (frontier)."
        ),
    ] = "last",
    irreducible: Annotated[
        bool, typer.Option(help="Fit a loss that no compute takes away, too.")
    ] = False,
    embeddings: Annotated[
        bool,
        typer.Option(
            help="Count embeddings as Table D.1 does; --no-embeddings leaves "
            "them out, as the paper's law does."
        ),
    ] = True,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
) -> None:
    """Fit L = a C^-b to runs, with intervals, beside the paper's law.

    Exits with 0, or 2 if an argument or a run is wrong.
    """
    with user_errors():
        from keras_gpt3.evaluation.scaling_fit import fit_runs
        from keras_gpt3.evaluation.scaling_report import scaling_text
        from keras_gpt3.evaluation.scaling_report import write_scaling_report
        from keras_gpt3.evaluation.scaling_runs import read_runs

        read = read_runs(runs, embeddings)
        fit = fit_runs(read, points, irreducible, seed=seed)
        if out is not None:
            write_scaling_report(read, fit, out, embeddings)
    typer.echo(scaling_text(read, fit, embeddings), nl=False)
