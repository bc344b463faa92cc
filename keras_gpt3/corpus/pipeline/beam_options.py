"""Options of a Beam pipeline, for this machine or for a cluster."""

import copy
import logging

from keras_gpt3.argument_checks import echoed
from keras_gpt3.data.write_documents import usable_processors
from keras_gpt3.needed_packages import import_extra

# Beam's default, the DirectRunner, would try to download a server (Prism).
LOCAL_RUNNER = "FnApiRunner"
_LOCAL_NAMES = (None, LOCAL_RUNNER, "DirectRunner")
# Beam's names of how its local runner runs.
_PROCESSES, _THIS_PROCESS = "multi_processing", "in_memory"


def beam_options(workers=None, runner=None, extra=()):
    """Make options that run a pipeline on this machine, or by another runner.

    Args:
        workers: int. Processes on this machine; with 1 all runs in this one.
            Defaults to `None`, as many as there are processors; other runners
            have options of their own for it.
        runner: string. Another of Beam's runners, such as `"FlinkRunner"`,
            whose workers must all have mounted the corpus' folders under the
            same paths: stages write files, not to a service such as `gs://`.
            Defaults to `None`, this machine.
        extra: iterable of strings. Beam's own options, such as
            `"--flink_master=localhost:8081"`. Defaults to `()`.

    Returns:
        An `apache_beam.options.pipeline_options.PipelineOptions`.

    Raises:
        ImportError: If Beam is not installed.
        ValueError: If a number of workers is below 1, or is given for another
            runner, or Beam does not know an option.

    Example:

    ```python
    from keras_gpt3.corpus import beam_options

    beam_options(workers=2)
    beam_options(runner="FlinkRunner", extra=["--parallelism=8"])
    ```
    """
    if workers is not None and workers < 1:
        raise ValueError(
            f"workers must be at least 1. Received: workers={workers}. Use "
            "None for one a processor."
        )
    module = import_extra("apache_beam.options.pipeline_options")
    if runner in _LOCAL_NAMES:
        flags = _local_flags(workers or usable_processors())
        options = module.PipelineOptions([*flags, *extra])
        _check_are_known(options)
        return options
    if workers is not None:
        raise ValueError(
            "workers must be None for a runner that is not this machine. "
            f"Received: workers={workers}, runner={echoed(runner)}. Pass the "
            "runner's own option, such as --parallelism=8."
        )
    # The options of a cluster are known only when it is reached.
    return module.PipelineOptions([f"--runner={runner}", *extra])


def limit_workers(options, most):
    """Options for work that so many processes, at most, can share.

    Each process takes seconds to start: one that would find nothing to do is
    left out, and a single one is this process itself.
    """
    module = import_extra("apache_beam.options.pipeline_options")
    direct = options.view_as(module.DirectOptions)
    mode, workers = direct.direct_running_mode, direct.direct_num_workers
    if mode != _PROCESSES or workers <= most:
        return options
    options = copy.deepcopy(options)
    direct = options.view_as(module.DirectOptions)
    direct.direct_num_workers = most
    direct.direct_running_mode = _PROCESSES if most > 1 else _THIS_PROCESS
    return options


def _local_flags(workers):
    mode = _PROCESSES if workers > 1 else _THIS_PROCESS
    return [
        f"--runner={LOCAL_RUNNER}",
        f"--direct_num_workers={workers}",
        f"--direct_running_mode={mode}",
    ]


def _check_are_known(options):
    """Raise for an option that Beam, on this machine, would not look at."""
    logger = logging.getLogger("apache_beam.options.pipeline_options")
    level = logger.level
    logger.setLevel(logging.ERROR)  # It warns of them as well.
    try:
        kept = options.get_all_options(retain_unknown_options=True)
        unknown = sorted(kept.keys() - options.get_all_options().keys())
    finally:
        logger.setLevel(level)
    if unknown:
        raise ValueError(
            "Beam's options must be known to its local runner. Received: "
            f"--{unknown[0]}. Correct it, or name the runner that has it."
        )
