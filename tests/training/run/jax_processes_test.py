"""Two processes of JAX train one model, and end with each other."""

import signal
import time

import numpy as np
import pytest

import keras_gpt3
from tests.training.run.workers_test import Cluster
from tests.training.run.workers_test import assert_same_by_norm
from tests.training.run.workers_test import logged
from tests.training.run.workers_test import run_file
from tests.training.small_run import saved_arrays
from tests.training.worker_cluster import start_worker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.backend("jax", reason="They are its processes."),
]

# Two processes of two devices, or one of four.
MESH = {"batch": 2, "model": 2}


def test_processes_stop_and_end_together_and_resume(tmp_path, clusters):
    """All end with what one process would: stopped, killed and resumed."""
    devices = {"devices": {"mesh": MESH}}
    alone, alone_file = run_file(tmp_path, "alone", **devices)
    config, file = run_file(tmp_path, "cluster", **devices)
    # One of them is told to stop: both do, after the same step.
    cluster = Cluster(tmp_path, file, "jax")
    clusters.append(cluster)
    cluster.wait_for_steps(config, 3)
    cluster.workers[1].send_signal(signal.SIGTERM)
    assert cluster.end() == [75, 75], cluster.text()
    stopped = logged(config)[-1]["step"]
    # One of them is killed: the other ends as well, in less than a minute.
    for killed in (1, 0):
        # More steps than the log has now, so that they are this cluster's.
        steps = logged(config)[-1]["step"] + 2
        cluster = Cluster(tmp_path, file, "jax")
        clusters.append(cluster)
        cluster.wait_for_steps(config, steps)
        cluster.workers[killed].kill()
        start = time.monotonic()
        assert cluster.workers[1 - killed].wait(timeout=90) != 0
        assert time.monotonic() - start < 60
    cluster = Cluster(tmp_path, file, "jax")
    clusters.append(cluster)
    assert cluster.end() == [0, 0], cluster.text()
    assert f"Resumed at step {stopped}" in cluster.logs[1].read_text()
    log = tmp_path / "alone.log"
    assert start_worker(alone_file, log, backend="jax").wait() == 0
    losses = [[r["loss"] for r in logged(c)] for c in (config, alone)]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    arrays = saved_arrays(config)
    assert_same_by_norm(arrays, saved_arrays(alone))
    # The first process wrote the whole model.
    model = keras_gpt3.GPT3.from_preset(f"{config.folder}/preset")
    for weight in model.weights:
        saved = arrays[f"weights/{weight.path}"][: weight.shape[0]]
        np.testing.assert_array_equal(weight, saved)
