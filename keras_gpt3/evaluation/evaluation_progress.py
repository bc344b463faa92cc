"""How far an evaluation is, and how long it will take."""

import contextlib
import sys


@contextlib.contextmanager
def evaluation_progress(title, total, done=0, verbose="auto"):
    """Shows a bar with the time left, on standard error.

    Args:
        title: string. What is evaluated.
        total: int. Examples.
        done: int. Examples that are known from before. Defaults to `0`.
        verbose: bool, or `"auto"`, which shows it on a terminal. Defaults to
            `"auto"`.

    Yields:
        A function that takes how many examples have been done since its last
        call.

    Example:

    ```python
    from keras_gpt3.evaluation.evaluation_progress import evaluation_progress

    with evaluation_progress("capitals", total=2) as advance:
        advance(2)
    ```
    """
    is_shown = sys.stderr.isatty() if verbose == "auto" else bool(verbose)
    if not is_shown:
        yield lambda count: None
        return
    from rich import console
    from rich import progress

    with progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("elapsed, left:"),
        progress.TimeRemainingColumn(),
        console=console.Console(stderr=True),
    ) as bar:
        task = bar.add_task(title, total=total, completed=done)
        yield lambda count: bar.advance(task, count)
