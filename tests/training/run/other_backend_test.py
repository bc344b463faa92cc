"""A run goes on where one of the other backend stopped."""

import shutil
import signal
import time

import keras
import numpy as np
import pytest

from keras_gpt3.cli.pretrain import make_model
from keras_gpt3.ops import op_compilation
from keras_gpt3.training import pretrain
from keras_gpt3.training.checkpoints import model_checkpointer
from tests.training.run.workers_test import assert_same_by_norm
from tests.training.run.workers_test import logged
from tests.training.run.workers_test import run_file
from tests.training.small_run import saved_arrays
from tests.training.worker_cluster import start_worker

pytest.importorskip("jax")
pytest.importorskip("orbax.checkpoint")
pytestmark = pytest.mark.slow

OTHER = {"tensorflow": "jax", "jax": "tensorflow"}[keras.config.backend()]


def stopped_elsewhere(tmp_path, config, file):
    """Starts a run on the other backend, and stops it after some steps."""
    log = tmp_path / "other.log"
    worker = start_worker(file, log, backend=OTHER)
    try:
        while len(logged(config)) < 3:
            assert worker.poll() is None, log.read_text()
            time.sleep(0.05)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=90) == 75, log.read_text()
    finally:
        worker.kill()
    return saved_arrays(config)


def finish(config):
    with op_compilation(False):
        assert pretrain(config, make_model)


def test_weights_moments_and_clock_are_those_of_the_other(
    tmp_path, monkeypatch
):
    config, file = run_file(tmp_path, "run")
    saved = stopped_elsewhere(tmp_path, config, file)
    stopped = logged(config)[-1]["step"]
    stays, stays_file = run_file(tmp_path, "stays")
    shutil.copytree(config.folder, stays.folder)
    log = tmp_path / "stays.log"
    worker = start_worker(stays_file, log, backend=OTHER)
    restored = {}
    restore = model_checkpointer.ModelCheckpointer.restore

    def restore_and_look(self, *args):
        state = restore(self, *args)
        for name, v in model_checkpointer.model_variables(self._model).items():
            restored[name] = keras.ops.convert_to_numpy(v)
        return state

    with monkeypatch.context() as patch:
        patch.setattr(
            model_checkpointer.ModelCheckpointer, "restore", restore_and_look
        )
        finish(config)
    assert worker.wait() == 0, log.read_text()
    assert restored.keys() == saved.keys()
    for name, array in saved.items():
        np.testing.assert_array_equal(restored[name], array, name)
    records = logged(config)
    assert [r["step"] for r in records] == [r + 1 for r in range(len(records))]
    assert stopped < len(records)
    # And then all is as if it had stayed there.
    for name in ("batch", "tokens_seen"):
        assert [r[name] for r in records] == [r[name] for r in logged(stays)]
    for name in ("learning_rate", "loss"):
        values = [[r[name] for r in logged(c)] for c in (config, stays)]
        np.testing.assert_allclose(*values, rtol=1e-5)
    assert_same_by_norm(saved_arrays(config), saved_arrays(stays))
