"""How far an evaluation is, and how long it will take."""

import contextlib
import sys


@contextlib.contextmanager
def evaluation_progress(title, total, done=0, verbose="auto"):
    """Shows a bar with the time left, on standard error."""
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
