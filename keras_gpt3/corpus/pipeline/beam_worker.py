"""A worker process of a local pipeline: Beam's own, light and quiet.

Beam starts it as a script, with the id of the process that it works for.
"""

import importlib
import logging
import os
import pathlib
import runpy
import signal
import sys
import threading
import time
import types

_LOOK_SECONDS = 1


def light_package(folder):
    """A package whose modules can be imported, but not itself.

    `import keras_gpt3` loads TensorFlow: seconds, and most of a gigabyte, in
    each worker, which most stages have no use for.
    """
    package = types.ModuleType(pathlib.Path(folder).name)
    package.__path__ = [str(folder)]
    return package


def _main():
    """Run Beam's worker until the pipeline ends."""
    folder = pathlib.Path(__file__).resolve().parents[2]
    # As `python -m` does; Python itself put this script's folder there.
    sys.path[:1] = [os.getcwd(), str(folder.parent)]
    sys.modules[folder.name] = light_package(folder)
    threading.Thread(
        target=_end_with, args=(int(sys.argv[1]),), daemon=True
    ).start()
    threading.excepthook = _report
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    # An error reaches the main process as such, with its traceback: neither
    # logged nor printed here as well.
    logging.disable(logging.ERROR)
    for name in ("sdk_worker", "log_handler"):
        module = importlib.import_module(f"apache_beam.runners.worker.{name}")
        module.print = lambda *values, **options: None
    # The logger of what `runpy` runs.
    logging.getLogger("__main__").addFilter(_is_news)
    try:
        runpy.run_module(
            "apache_beam.runners.worker.sdk_worker_main", run_name="__main__"
        )
    except importlib.import_module("grpc").RpcError:
        os._exit(1)  # The main process is gone.


def _report(error):
    """Print an error of a thread, unless the main process is but gone."""
    if not _is_of_the_connection(error.exc_type):
        threading.__excepthook__(error)


def _is_news(record):
    """Whether a log record says more than that the main process is gone."""
    return not (record.exc_info and _is_of_the_connection(record.exc_info[0]))


def _is_of_the_connection(error_type):
    return issubclass(error_type, importlib.import_module("grpc").RpcError)


def _end_with(main_process):
    """End this process with that one, which may have been killed.

    Else it would continue with its parts, beside the workers of a new run.
    """
    while os.getppid() == main_process:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    _main()
