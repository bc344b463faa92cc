import logging
import os
import pathlib
import signal
import subprocess
import sys
import time

import grpc
import pytest

from keras_gpt3.corpus.pipeline import beam_worker

pytestmark = pytest.mark.slow

FOLDER = pathlib.Path(beam_worker.__file__).parents[2]
LIGHT = f"""
import importlib.util, sys
file = {beam_worker.__file__!r}
spec = importlib.util.spec_from_file_location("worker", file)
worker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(worker)
package = worker.light_package({str(FOLDER)!r})
sys.modules["keras_gpt3"] = package
"""
IMPORTS = """
from keras_gpt3.data.ngrams import ngrams
from keras_gpt3.corpus.read.read_file_part import ReadFilePart
print("tensorflow" in sys.modules, "keras" in sys.modules)
"""

SLOW_RUN = """
import pathlib, sys, time
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.corpus_pipeline import run_stage
from keras_gpt3.corpus.pipeline.stage import Stage
from keras_gpt3.corpus.pipeline.stage import StageInput
def work(part):
    pathlib.Path(part.folder, "started").touch()
    time.sleep(60)
inputs = [StageInput("novels", name, name) for name in "ab"]
run_stage(Stage("read", sys.argv[1], inputs, {}), work, beam_options(2))
"""


def test_modules_of_a_light_package_load_without_it():
    run = subprocess.run(
        [sys.executable, "-c", LIGHT + IMPORTS],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "False False\n"


def test_a_worker_ends_with_its_main_process():
    run = subprocess.run(
        [sys.executable, beam_worker.__file__, "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (1, "", "")


def test_workers_of_a_killed_process_end_without_a_word(tmp_path):
    run = subprocess.Popen(
        [sys.executable, "-c", LIGHT + SLOW_RUN, tmp_path / "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "1" / "started").exists():
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.1)
    os.kill(run.pid, signal.SIGKILL)
    # Their ends of the pipe are closed as well, long before the part is made.
    assert run.communicate(timeout=30) == ("", None)


@pytest.mark.parametrize(
    ("error", "is_told"), [(grpc.RpcError, False), (ValueError, True)]
)
def test_only_the_loss_of_the_main_process_goes_untold(error, is_told):
    record = logging.LogRecord(
        "__main__", logging.CRITICAL, "", 1, "failed", (), (error, None, None)
    )
    assert beam_worker._is_news(record) == is_told
    record.exc_info = None
    assert beam_worker._is_news(record)
