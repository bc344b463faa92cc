import errno
import json
import logging
import os
import pathlib
import re
import signal
import types

import numpy as np
import pytest

from keras_gpt3.data import Mixture
from keras_gpt3.data import contexts_of_step
from keras_gpt3.training.checkpoints.manifest import CheckpointManifest
from keras_gpt3.training.checkpoints.run_checkpoints import RunCheckpoints
from keras_gpt3.training.run import pretraining_run
from keras_gpt3.training.run.data import RunData
from keras_gpt3.training.run.log import RunLog
from keras_gpt3.training.run.pretraining_run import is_due
from tests.small_gpt3 import LENGTH
from tests.training.small_run import NUM_STEPS
from tests.training.small_run import saved_arrays
from tests.training.small_run import small_config
from tests.training.small_run import train


def records_of(config, kind="train"):
    with open(f"{config.folder}/log.jsonl", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return [record for record in records if record["kind"] == kind]


def assert_bitwise_equal(config, other):
    received, expected = saved_arrays(config), saved_arrays(other)
    assert received.keys() == expected.keys()
    for name, array in received.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def metric_of(config, step):
    """The metric of a checkpoint, of either backend."""
    folder = pathlib.Path(config.folder, "checkpoints", f"step_{step:09}")
    return CheckpointManifest.read(folder).metric


def stop_before(monkeypatch, step):
    """Makes a run get SIGTERM before some step."""
    real = pretraining_run.PretrainingRun._step

    def interrupted(self):
        if self._state.step + 1 == step:
            os.kill(os.getpid(), signal.SIGTERM)
        real(self)

    monkeypatch.setattr(pretraining_run.PretrainingRun, "_step", interrupted)


class Killed(Exception):
    """Stands for a kill: nothing in the run catches it."""


def kill_before(monkeypatch, step):
    """Makes a run end before some step as if it were killed."""
    real = pretraining_run.PretrainingRun._step

    def killed(self):
        if self._state.step + 1 == step:
            raise Killed
        real(self)

    monkeypatch.setattr(pretraining_run.PretrainingRun, "_step", killed)


@pytest.fixture
def spoilt_steps(monkeypatch):
    """A set of global steps whose loss the run sees as not finite."""
    spoilt = set()
    real = pretraining_run.PretrainingRun._train_one

    def train_one(self):
        if self._state.step + 1 in spoilt:
            variable = (
                self._checkpointer._model.backbone.token_embedding.embeddings
            )
            before = np.array(variable)
            variable.assign(np.full_like(before, np.nan))
            report = real(self)
            variable.assign(before)
            return report
        return real(self)

    monkeypatch.setattr(pretraining_run.PretrainingRun, "_train_one", train_one)
    return spoilt


def test_a_run_logs_every_step_and_validates_and_saves(tmp_path):
    config = small_config(tmp_path)
    assert train(config)
    records = records_of(config)
    assert [r["step"] for r in records] == list(range(1, NUM_STEPS + 1))
    assert [r["batch"] for r in records] == list(range(NUM_STEPS))
    assert records[-1]["tokens_seen"] == config.recipe.total_tokens
    assert all(r["applied"] and np.isfinite(r["loss"]) for r in records)
    estimated = [r for r in records if r["noise_scale_tokens"] is not None]
    assert estimated
    for record in estimated:
        assert record["recommended_batch_tokens"] % LENGTH == 0
    contexts = int(config.recipe.total_tokens) // LENGTH
    mixture = Mixture(config.data.shards, config.data.weights)
    epochs = mixture.epochs(contexts, LENGTH)
    assert [records[-1][f"epochs/{name}"] for name in epochs] == [
        *epochs.values()
    ]
    held_out = records_of(config, "validation")
    assert [r["step"] for r in held_out] == [0, 6, 12]
    assert held_out[0]["held/loss"] == pytest.approx(np.log(61), abs=0.2)
    checkpoints = RunCheckpoints(f"{config.folder}/checkpoints")
    assert checkpoints.steps()[-3:] == [6, 8, 12]
    losses = {r["step"]: r["loss"] for r in held_out}
    for step, metric in ((6, losses[6]), (8, None), (12, losses[12])):
        assert metric_of(config, step) == metric
    assert checkpoints.best_step == min((6, 12), key=losses.get)
    assert os.path.exists(f"{config.folder}/preset/config.json")


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [1, 2])
def test_a_killed_run_ends_bit_for_bit_as_an_undisturbed_one(
    tmp_path, monkeypatch, replicas
):
    devices = {"devices": {"cpu_replicas": replicas}}
    whole = small_config(tmp_path, "whole", **devices)
    train(whole, dropout=0.1)
    config = small_config(tmp_path, "killed", **devices)
    for step in (2, 7, 11):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_before(patch, step)
            train(config, dropout=0.1)
    assert train(config, dropout=0.1)
    assert_bitwise_equal(config, whole)
    keys = ("step", "batch", "tokens_seen", "loss", "noise_scale_tokens")
    assert [[r[k] for k in keys] for r in records_of(config)] == [
        [r[k] for k in keys] for r in records_of(whole)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("step", [6, NUM_STEPS])
def test_sigterm_saves_at_once_and_the_run_goes_on(tmp_path, monkeypatch, step):
    whole, config = (small_config(tmp_path, name) for name in ("whole", "a"))
    train(whole)
    sizes = []
    real = RunData.training_dataset

    def training_dataset(self, batch_size, *options):
        sizes.append(batch_size)
        return real(self, batch_size, *options)

    monkeypatch.setattr(RunData, "training_dataset", training_dataset)
    with monkeypatch.context() as patch:
        stop_before(patch, step)
        assert train(config) == (step == NUM_STEPS)
    assert records_of(config)[-1]["step"] == step
    assert train(config)
    assert_bitwise_equal(config, whole)
    # The validation that was due at the stop is made up for, once.
    held_out = records_of(config, "validation")
    assert [r["step"] for r in held_out] == [0, 6, NUM_STEPS]
    for record in held_out[1:]:
        assert metric_of(config, record["step"]) == record["loss"]
    # Numbers, by which shapes are known, also after the recipe was resolved.
    assert sizes == [4, 4]


@pytest.mark.slow
def test_another_number_of_replicas_follows_the_same_curve(
    tmp_path, monkeypatch
):
    multiple = {"recipe": small_recipe(batch_multiple=2)}
    whole = small_config(tmp_path, "whole", **multiple)
    train(whole)
    config = small_config(tmp_path, "moved", **multiple)
    with monkeypatch.context() as patch:
        stop_before(patch, 5)
        assert not train(config)
    moved = small_config(
        tmp_path, "moved", devices={"cpu_replicas": 2}, **multiple
    )
    assert train(moved)
    losses = [[r["loss"] for r in records_of(c)] for c in (moved, whole)]
    np.testing.assert_allclose(*losses, rtol=1e-5)


def small_recipe(**changes):
    return {
        "total_tokens": NUM_STEPS * 4 * LENGTH,
        "batch_tokens": 4 * LENGTH,
        "learning_rate": 5e-3,
    } | changes


def test_the_batch_grows_with_the_ramp_in_one_trace(tmp_path, monkeypatch):
    runs = []
    real = pretraining_run.PretrainingRun.run
    monkeypatch.setattr(
        pretraining_run.PretrainingRun,
        "run",
        lambda self: (runs.append(self), real(self)),
    )
    config = small_config(
        tmp_path,
        recipe=small_recipe(start_batch_tokens=LENGTH, ramp_tokens=20 * LENGTH),
    )
    assert train(config)
    sizes = [r["batch_tokens"] // LENGTH for r in records_of(config)]
    ramp = runs[0]._recipe.batch_ramp
    assert sizes == [ramp.size_at(step) for step in range(len(sizes))]
    assert set(sizes) >= {1, 2, 3, 4}
    assert runs[0]._loop.num_traces == 1


def test_updates_that_are_not_finite_are_skipped_and_named(
    tmp_path, spoilt_steps, caplog
):
    spoilt_steps |= {3, 7}
    config = small_config(tmp_path)
    with caplog.at_level(logging.WARNING, "keras_gpt3"):
        assert train(config)
    records = records_of(config)
    assert [r["step"] for r in records if not r["applied"]] == [3, 7]
    assert records[-1]["skipped_updates"] == 2
    folders = config.data.shards
    mixture = Mixture(folders, config.data.weights)
    ids = contexts_of_step(mixture, LENGTH, 4, config.seed, 2)
    names = [mixture.describe_context(i, LENGTH) for i in ids]
    assert f"Batch 2 holds the contexts {names}" in caplog.text


@pytest.mark.slow
def test_a_run_stops_after_too_many_bad_updates_in_a_row(
    tmp_path, spoilt_steps
):
    spoilt_steps |= {3, 5, 6, 7}
    config = small_config(tmp_path, health={"max_skipped_in_a_row": 3})
    message = (
        "Updates must be finite. Received: 3 in a row that were not, up to "
        "step 7. The log names their batches: list them in data.skip_batches "
        "and resume, or begin another run with a lower learning rate."
    )
    with pytest.raises(RuntimeError, match=f"^{re.escape(message)}$"):
        train(config)


@pytest.mark.slow
def test_batches_to_skip_are_passed_over(tmp_path):
    config = small_config(tmp_path)
    shards = config.data.shards
    skipping = small_config(
        tmp_path,
        data={"skip_batches": [0, 3, 4, 90]},
    )
    assert skipping.data.shards == shards
    assert train(skipping)
    batches = [r["batch"] for r in records_of(skipping)]
    expected = [b for b in range(20) if b not in (0, 3, 4)]
    assert batches == expected[:NUM_STEPS]


# A jump of 100 is more by far; two losses in a row may be as good as equal, so
# that a few of their deviations are nothing.
SPIKES = {"spike_deviations": 300.0, "spike_window": 4}


@pytest.fixture
def spikes(monkeypatch):
    """Makes the loss of batch 8 jump, whenever it comes: a list of steps."""
    spiked = []
    real = pretraining_run.PretrainingRun._train_one

    def train_one(self):
        report = real(self)
        if self._state.batch == 8:
            spiked.append(self._state.step)
            report["loss"] += 100
        return report

    monkeypatch.setattr(pretraining_run.PretrainingRun, "_train_one", train_one)
    return spiked


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [1, 2])
def test_a_spike_rolls_the_run_back_and_skips_its_batches(
    tmp_path, monkeypatch, caplog, spikes, replicas
):
    changes = {
        "health": SPIKES,
        "devices": {"cpu_replicas": replicas},
    }
    with monkeypatch.context() as patch:
        stop_before(patch, 7)
        assert not train(small_config(tmp_path, **changes))
    # Batch 10 is listed after the checkpoint that the run goes back to.
    config = small_config(tmp_path, data={"skip_batches": [10]}, **changes)
    with caplog.at_level(logging.WARNING, "keras_gpt3"):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_before(patch, 8)
            train(config)
        assert train(config)
    # The last checkpoint was that of step 8, the stop's; batch 8 came ninth.
    assert spikes == [8]
    assert "The run resumes from step 8, past batches 8 to 8." in caplog.text
    records = records_of(config)
    assert [r["step"] for r in records] == list(range(1, NUM_STEPS + 1))
    batches = [r["batch"] for r in records]
    assert batches == [*range(8), 9, 11, 12, 13]


@pytest.mark.slow
def test_a_rollback_to_the_start_keeps_its_validation(tmp_path, spikes):
    config = small_config(
        tmp_path,
        checkpoints={"every_steps": None, "keep_best": False},
        validation={"every_steps": None, "max_batches": 1, "batch_size": 4},
        health=SPIKES,
    )
    assert train(config)
    assert spikes == [8]
    held_out = records_of(config, "validation")
    assert [r["step"] for r in held_out] == [0, NUM_STEPS]


@pytest.mark.slow
def test_a_run_that_goes_back_too_often_ends(tmp_path, spikes):
    health = SPIKES | {"max_rollbacks": 0}
    message = (
        "A run must not go back more often than health.max_rollbacks. "
        "Received: max_rollbacks=0, and a loss of 104.1 at step 9. Raise it, "
        "or health.spike_deviations, and resume."
    )
    with pytest.raises(RuntimeError, match=f"^{re.escape(message)}$"):
        train(small_config(tmp_path, health=health))


def test_a_run_without_a_checkpoint_cannot_go_back():
    run = object.__new__(pretraining_run.PretrainingRun)
    run._state = types.SimpleNamespace(step=9, last_batch=9, rollbacks=0)
    run._checkpointer = types.SimpleNamespace(restore=lambda: None)
    message = (
        "A run must have a checkpoint to go back to. Received: a loss of 104.1 "
        "at step 9, and none. Free space for checkpoints, and start the run "
        "again."
    )
    with pytest.raises(RuntimeError, match=f"^{re.escape(message)}$"):
        run._roll_back(104.1)


@pytest.mark.slow
def test_a_disk_too_full_for_the_log_does_not_end_the_run(
    tmp_path, monkeypatch, caplog
):
    config = small_config(tmp_path)
    real = RunLog.write

    def write(self, record):
        if record["step"] == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self, record)

    monkeypatch.setattr(RunLog, "write", write)
    with caplog.at_level(logging.ERROR, "keras_gpt3"):
        assert train(config)
    assert "Step 5 could not be logged: [Errno 28]" in caplog.text
    assert [r["step"] for r in records_of(config)] == [
        1,
        2,
        3,
        4,
        *range(6, 13),
    ]


def test_steps_are_due_at_multiples():
    assert [step for step in range(1, 10) if is_due(3, step)] == [3, 6, 9]
    assert not is_due(None, 3)
