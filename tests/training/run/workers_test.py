"""Two processes train one model, and outlive each other."""

import json
import pathlib
import signal
import time

import numpy as np
import pytest

from keras_gpt3.config_file import write_config
from keras_gpt3.training import RunCheckpoints
from tests.small_gpt3 import LENGTH
from tests.training.run.pretraining_run_test import small_recipe
from tests.training.small_run import small_config
from tests.training.worker_cluster import free_ports
from tests.training.worker_cluster import start_worker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.backend("tensorflow", reason="They are its workers."),
]

NUM_STEPS = 40
OVERRIDES = {
    "vocabulary_size": 61,
    "num_layers": 1,
    "num_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 32,
}


def run_file(tmp_path, name, **changes):
    """The config of a run that command lines can make, and its YAML file."""
    config = small_config(
        tmp_path,
        name,
        model={
            "preset": "gpt3_small_en",
            "preprocessor": False,
            "overrides": OVERRIDES,
            "micro_batch_size": None,
        },
        recipe=small_recipe(
            total_tokens=NUM_STEPS * 4 * LENGTH,
            batch_multiple=2,
            start_batch_tokens=None,
            ramp_tokens=0,
        ),
        **changes,
    )
    path = tmp_path / f"{name}.yaml"
    write_config(config, path)
    return config, str(path)


def logged(config):
    path = pathlib.Path(config.folder, "log.jsonl")
    lines = path.read_text().splitlines() if path.exists() else []
    return [r for r in map(json.loads, lines) if r["kind"] == "train"]


def arrays_of(config):
    return RunCheckpoints(f"{config.folder}/checkpoints").restore().arrays


def assert_same_by_norm(received, expected):
    """As tests of replicas do: but for key biases, 1e-5 of each norm."""
    assert received.keys() == expected.keys()
    for name, array in received.items():
        if array.shape == (3 * OVERRIDES["hidden_dim"],):
            continue  # The bias of queries, keys and values.
        difference = np.linalg.norm(array - expected[name])
        assert difference <= 1e-5 * np.linalg.norm(expected[name]), name


class Cluster:
    """Two workers of one run, on this machine."""

    def __init__(self, tmp_path, file, backend="tensorflow"):
        self.file, self.ports, self.backend = file, free_ports(2), backend
        self.logs = [tmp_path / f"worker-{i}.log" for i in range(2)]
        self.workers = [self.start(index) for index in range(2)]

    def start(self, index):
        log, backend = self.logs[index], self.backend
        return start_worker(self.file, log, self.ports, index, backend)

    def wait_for_steps(self, config, steps):
        """Waits until so many are logged."""
        deadline = time.monotonic() + 300
        while len(logged(config)) < steps:
            alive = all(worker.poll() is None for worker in self.workers)
            assert alive and time.monotonic() < deadline, self.text()
            time.sleep(0.02)

    def end(self):
        """Waits for both; their exit codes."""
        return [worker.wait(timeout=300) for worker in self.workers]

    def text(self):
        """What both have printed."""
        return "".join(log.read_text() for log in self.logs)

    def kill(self):
        """Leaves nothing behind, whatever a test found."""
        for worker in self.workers:
            worker.kill()
            worker.wait()


def test_workers_stop_together_and_outlive_each_other(tmp_path, clusters):
    """All end with what one process would: stopped, killed and resumed."""
    alone, alone_file = run_file(tmp_path, "alone")
    config, file = run_file(tmp_path, "cluster")
    # One of them is told to stop: both do, after the same step.
    clusters.append(Cluster(tmp_path, file))
    clusters[0].wait_for_steps(config, 3)
    clusters[0].workers[1].send_signal(signal.SIGTERM)
    assert clusters[0].end() == [75, 75], clusters[0].text()
    stopped = logged(config)[-1]["step"]
    assert RunCheckpoints(f"{config.folder}/checkpoints").latest_step == stopped
    # One of them is killed: the other begins anew, and waits for it.
    cluster = Cluster(tmp_path, file)
    clusters.append(cluster)
    cluster.wait_for_steps(config, stopped + 3)
    cluster.workers[1].kill()
    cluster.workers[1].wait()
    cluster.workers[1] = cluster.start(1)
    assert cluster.end() == [0, 0], cluster.text()
    assert "Another worker has gone" in cluster.logs[0].read_text()
    assert f"Resumed at step {stopped}" in cluster.logs[1].read_text()
    assert start_worker(alone_file, tmp_path / "alone.log").wait() == 0
    steps = list(range(1, NUM_STEPS + 1))
    losses = []
    for each in (config, alone):
        assert [r["step"] for r in logged(each)] == steps
        losses.append([r["loss"] for r in logged(each)])
    np.testing.assert_allclose(*losses, rtol=1e-5)
    assert_same_by_norm(arrays_of(config), arrays_of(alone))
