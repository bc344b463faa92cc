import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops import op_compilation
from keras_gpt3.training.run.report import REPORT
from keras_gpt3.training.run.tensorflow_loop import PretrainingTrainer
from keras_gpt3.training.run.tensorflow_loop import ValidationEvaluator
from tests.training.slow_training import slow_training
from tests.training.small_training import OPTIMIZERS
from tests.training.small_training import assert_same_weights
from tests.training.small_training import even_batches
from tests.training.small_training import even_dataset
from tests.training.small_training import new_model

# === Pretraining trainer ===

pytestmark = pytest.mark.backend("tensorflow", reason="Orbit's loop.")


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.quick_cases(1)
def test_orbit_trains_as_the_slow_loop_does_and_reports_each_step(replicas):
    expected = new_model(pattern=("dense",))
    seen = slow_training(expected, OPTIMIZERS["adamw"](), even_batches(3))
    model = new_model(replicas, "adamw", ("dense",))
    strategy = model.distribute_strategy
    with strategy.scope():
        model.optimizer.build(model.trainable_variables)
    dataset = strategy.experimental_distribute_dataset(even_dataset(3))
    trainer = PretrainingTrainer(model, strategy, dataset)
    trainer.set_requests([0.0, 1.0])
    reports = []
    with op_compilation(False):
        for _ in range(3):
            reports.append(trainer.train(tf.constant(1)))
    assert_same_weights(model, expected)
    assert trainer.num_traces == 1
    assert int(trainer.global_step) == 3
    assert set(reports[0]) == {*REPORT, "requests"}
    for name, key in (("loss", "loss"), ("gradient_norm", "norm")):
        received = [report[name] for report in reports]
        np.testing.assert_allclose(received, seen[key], rtol=1e-5)
    assert reports[0]["requests"] == [0.0, replicas]


# === Validation evaluator ===


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.quick_cases(1)
def test_it_gives_what_evaluate_gives_each_time(replicas):
    model = new_model(replicas, "adamw", ("dense",))
    strategy = model.distribute_strategy
    dataset = strategy.experimental_distribute_dataset(even_dataset(3))
    evaluator = ValidationEvaluator(model, strategy, dataset)
    with op_compilation(False):
        expected = model.evaluate(
            even_dataset(3).take(2), verbose=0, return_dict=True
        )
        for _ in range(2):
            means = evaluator.evaluate(tf.constant(2))
            assert means["loss"] == pytest.approx(expected["loss"], rel=1e-5)
            assert means["accuracy"] == pytest.approx(expected["accuracy"])
