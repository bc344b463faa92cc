"""Runs a Beam pipeline quietly, and turns its failure into one error."""

import builtins
import contextlib
import copy
import importlib
import logging
import os
import pathlib
import re
import shlex
import sys
import threading

from keras_gpt3.corpus.pipeline import beam_worker
from keras_gpt3.corpus.pipeline.beam_options import limit_workers
from keras_gpt3.needed_packages import import_extra
from keras_gpt3.reporting.progress import ProgressBar

# "... ValueError: text [while running 'Map(f)']", at a line's start.
_ERROR = re.compile(
    r"^(?:\w+\.)*(\w+): (.*?)(?: \[while running '[^']*'\])*$", re.MULTILINE
)
# What a command turns into one line for its user.
_USER_ERRORS = (ValueError, OSError, MemoryError, ImportError)


@contextlib.contextmanager
def corpus_pipeline(options):
    """A pipeline that runs when the block ends.

    On this machine its workers are processes of the package's own, which do
    not load TensorFlow: code that runs in them imports from the module where
    a name stands, not from `keras_gpt3` itself.
    """
    beam = import_extra("apache_beam")
    runner, options = _runner(options)
    pipeline = beam.Pipeline(runner=runner, options=options)
    yield pipeline
    with _quiet_log():
        try:
            pipeline.run().wait_until_finish()
        except (RuntimeError, *_USER_ERRORS) as error:
            raise _plain_error(error) from error


def _runner(options):
    """The runner, and options where it stands for this machine's processes."""
    module = import_extra("apache_beam.options.pipeline_options")
    direct = options.view_as(module.DirectOptions)
    if direct.direct_running_mode != "multi_processing":
        return None, options
    runner = import_extra("apache_beam.runners.portability.fn_api_runner")
    processes = importlib.import_module(
        "keras_gpt3.corpus.pipeline.beam_processes"
    )
    worker = pathlib.Path(beam_worker.__file__).resolve()
    command = shlex.join([sys.executable, str(worker), str(os.getpid())])
    options = copy.deepcopy(options)
    # By this mode the runner would take a command of its own instead.
    options.view_as(module.DirectOptions).direct_running_mode = None
    # Without `exec` a shell would stand between the two processes.
    environment = processes.WorkerProcesses.from_command_string(
        f"exec {command}"
    )
    return runner.FnApiRunner(environment), options


@contextlib.contextmanager
def _quiet_log():
    """Beam logs errors that it raises as well, with pages of traceback."""
    logger = logging.getLogger("apache_beam")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _plain_error(error):
    """The error that a worker raised, of the text that Beam made of it."""
    found = _ERROR.findall(f"{type(error).__name__}: {error}")
    if not found:
        return error
    name, message = found[-1]
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, _USER_ERRORS):
        # Those of Unicode cannot be made of a message alone.
        return ValueError(message) if "Unicode" in name else kind(message)
    return RuntimeError(
        "A stage must run without an error. Received: "
        f"{name}: {message.rstrip('.')}. See above for where it was raised."
    )


_LOOK_SECONDS = 0.5


def run_parts(process_part, parts, options, title="parts", verbose="auto"):
    """Call a function for each part that is not done, and keep its counts."""
    beam = import_extra("apache_beam")
    pending = [part for part in parts if not part.is_done]
    if not pending:
        return
    done = len(parts) - len(pending)
    options = limit_workers(options, len(pending))
    with (
        _progress(title, pending, done, verbose),
        corpus_pipeline(options) as pipeline,
    ):
        _ = (
            pipeline
            | beam.Create(pending)
            # Without it, all parts would be one worker's.
            | beam.Reshuffle()
            | beam.Map(_make_part, process_part)
        )


def run_stage(stage, process_part, options, verbose="auto", overwrite=False):
    """Run a stage whose part k comes from part k of the stage before."""
    stage.start(overwrite)
    if not stage.is_done:
        run_parts(process_part, stage.parts, options, stage.name, verbose)
        stage.finish()
    return stage.totals


def _make_part(part, process_part):
    part.finish(process_part(part))


@contextlib.contextmanager
def _progress(title, pending, done, verbose):
    """Show how many parts are done, by the counts files that appear."""
    total, stop = done + len(pending), threading.Event()
    with ProgressBar(title, total, done, verbose, "parts") as bar:
        if not bar.is_shown:
            yield
            return
        thread = threading.Thread(
            target=_watch, args=(pending, bar, stop), daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _watch(pending, bar, stop):
    """Advance by the parts that are done, until stopped."""
    pending, is_last = list(pending), False
    while not is_last:
        # One look more after the end, which sees all.
        is_last = stop.wait(_LOOK_SECONDS)
        waiting = [part for part in pending if not part.is_done]
        bar.advance(len(pending) - len(waiting))
        pending = waiting
