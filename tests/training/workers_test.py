"""Two processes train one model, and outlive each other."""

import json
import pathlib
import signal
import time

import numpy as np

from keras_gpt3.training import RunCheckpoints
from keras_gpt3.training.config_file import write_config
from tests.small_gpt3 import LENGTH
from tests.training.pretraining_run_test import small_recipe
from tests.training.small_run import small_config
from tests.training.worker_cluster import free_ports
from tests.training.worker_cluster import start_worker

NUM_STEPS = 40
OVERRIDES = {
    "vocabulary_size": 61,
    "num_layers": 1,
    "num_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 32,
}


def run_file(tmp_path, name):
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


def test_a_killed_worker_comes_back_and_all_end_as_one_process_would(tmp_path):
    alone, alone_file = run_file(tmp_path, "alone")
    config, file = run_file(tmp_path, "cluster")
    ports = free_ports(2)
    logs = [tmp_path / f"worker-{i}.log" for i in range(2)]
    workers = [start_worker(file, logs[i], ports, i) for i in range(2)]
    while len(logged(config)) < 6:
        assert all(w.poll() is None for w in workers), logs[0].read_text()
        time.sleep(0.02)
    workers[1].send_signal(signal.SIGKILL)
    workers[1].wait()
    workers[1] = start_worker(file, logs[1], ports, 1)
    for worker in workers:
        assert worker.wait() == 0, logs[0].read_text() + logs[1].read_text()
    assert "Another worker has gone" in logs[0].read_text()
    assert "Resumed at step" in logs[1].read_text()
    assert start_worker(alone_file, tmp_path / "alone.log").wait() == 0
    steps = list(range(1, NUM_STEPS + 1))
    losses = []
    for each in (config, alone):
        assert [r["step"] for r in logged(each)] == steps
        losses.append([r["loss"] for r in logged(each)])
    np.testing.assert_allclose(*losses, rtol=1e-5)
    assert_same_by_norm(arrays_of(config), arrays_of(alone))
