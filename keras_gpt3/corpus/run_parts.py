"""Makes the parts of a stage side by side, as a Beam pipeline."""

import contextlib
import sys
import threading

from keras_gpt3.corpus.beam_options import limit_workers
from keras_gpt3.corpus.corpus_extra import import_extra
from keras_gpt3.corpus.corpus_pipeline import corpus_pipeline

_LOOK_SECONDS = 0.5


def run_parts(process_part, parts, options, title="parts", progress="auto"):
    """Calls a function for each part that is not done, and keeps its counts."""
    beam = import_extra("apache_beam")
    pending = [part for part in parts if not part.is_done]
    if not pending:
        return
    done = len(parts) - len(pending)
    options = limit_workers(options, len(pending))
    with (
        _progress(title, pending, done, progress),
        corpus_pipeline(options) as pipeline,
    ):
        _ = (
            pipeline
            | beam.Create(pending)
            # Without it, all parts would be one worker's.
            | beam.Reshuffle()
            | beam.Map(_make_part, process_part)
        )


def run_stage(stage, process_part, options, progress="auto", overwrite=False):
    """Runs a stage whose part k comes from part k of the stage before."""
    stage.start(overwrite)
    if not stage.is_done:
        run_parts(process_part, stage.parts, options, stage.name, progress)
        stage.finish()
    return stage.totals


def _make_part(part, process_part):
    part.finish(process_part(part))


@contextlib.contextmanager
def _progress(title, pending, done, enabled):
    """Shows how many parts are done, by the counts files that appear."""
    is_shown = sys.stderr.isatty() if enabled == "auto" else bool(enabled)
    if not is_shown:
        yield
        return
    from keras_gpt3.evaluation.evaluation_progress import evaluation_progress

    total, stop = done + len(pending), threading.Event()
    with evaluation_progress(title, total, done, verbose=True) as advance:
        thread = threading.Thread(
            target=_watch, args=(pending, advance, stop), daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _watch(pending, advance, stop):
    """Advances by the parts that are done, until stopped."""
    pending, is_last = list(pending), False
    while not is_last:
        # One look more after the end, which sees all.
        is_last = stop.wait(_LOOK_SECONDS)
        waiting = [part for part in pending if not part.is_done]
        advance(len(pending) - len(waiting))
        pending = waiting
