import pytest
import tensorflow as tf

from keras_gpt3.ops import op_compilation
from keras_gpt3.training.run.pretraining_run import ValidationEvaluator
from tests.training.small_training import even_dataset
from tests.training.small_training import new_model


@pytest.mark.parametrize("replicas", [1, 2])
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
