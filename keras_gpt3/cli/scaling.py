"""`keras-gpt3 scaling RUNS...`: how loss fell with compute and with size."""

import pathlib
from typing import Annotated

import typer

from keras_gpt3.cli.options import options_with
from keras_gpt3.cli.user_errors import user_errors

_HELP = {
    "runs": "Folders of pretraining runs, at least 3.",
    "out": "The folder of scaling.md, scaling.html, scaling.json and "
    "scaling.png.",
    "points": "Fit to the last point of each run (last), or to the lowest loss "
    "of any run at a compute (frontier).",
    "irreducible": "Fit a loss that no compute takes away as well.",
    "embeddings": "Count embeddings as Table D.1 does; --no-embeddings leaves "
    "them out, as the paper's law does.",
    "seed": "Of the bootstrap.",
}
_option = options_with(_HELP)
_OUT = pathlib.Path("scaling")


def scaling_command(
    runs: Annotated[
        list[pathlib.Path],
        typer.Argument(metavar="RUNS...", help=_HELP["runs"]),
    ],
    out: Annotated[pathlib.Path, _option("out")] = _OUT,
    points: Annotated[str, _option("points")] = "last",
    irreducible: Annotated[bool, _option("irreducible")] = False,
    embeddings: Annotated[bool, _option("embeddings")] = True,
    seed: Annotated[int, _option("seed")] = 0,
) -> None:
    """Fit L = a C^-b to runs, with intervals, beside the paper's law.

    Over parameters, too, where there are three sizes. Prints the laws, and
    writes a report with a plot. Exits with 0, or 2 if an
    argument or a run is wrong.
    """
    with user_errors():
        from keras_gpt3.atomic_write import check_is_free
        from keras_gpt3.evaluation.scaling import scaling_report
        from keras_gpt3.evaluation.scaling.scaling_fit import fit_runs
        from keras_gpt3.evaluation.scaling.scaling_fit import fit_sizes
        from keras_gpt3.evaluation.scaling.scaling_runs import read_runs
        from keras_gpt3.reporting.report import markdown_table

        check_is_free(out, lambda path: True)
        read = read_runs(runs, embeddings)
        fit = fit_runs(read, points, irreducible, seed=seed)
        sizes = fit_sizes(read, irreducible, seed=seed)
        scaling_report.write_scaling_report(read, fit, out, embeddings, sizes)
    section = scaling_report.scaling_section(read, fit, embeddings, sizes)
    for paragraph in section.paragraphs:
        typer.echo(paragraph)
    typer.echo("\n" + markdown_table(section.columns, section.rows))
    typer.echo(f"Report written to {out / 'scaling.html'}")
