import re
import types

import numpy as np
import pytest

from keras_gpt3.data import BatchRamp
from keras_gpt3.data import Mixture
from keras_gpt3.data import TokenShards
from keras_gpt3.data import packed_dataset
from keras_gpt3.training.recipe.pretraining_config import DevicesSection
from keras_gpt3.training.run.data import RunData
from keras_gpt3.training.run.devices import TensorFlowDevices
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import SMALL
from tests.training.small_run import small_config


def run_data(config, devices=None):
    return RunData(config, LENGTH, devices or of_replicas(1))


def of_replicas(number):
    return TensorFlowDevices(DevicesSection(cpu_replicas=number))


def rows_of(strategy, dataset, steps):
    """The token ids of some steps, the replicas' rows one after the other."""
    rows = []
    iterator = iter(dataset)
    for _ in range(steps):
        parts = strategy.experimental_local_results(next(iterator))
        rows.append(np.concatenate([x["token_ids"] for x, _ in parts]))
    return rows


@pytest.mark.backend("tensorflow", reason="It is of its replicas.")
@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("batch_size", [4, BatchRamp(8, 2, 30, multiple=2)])
def test_replicas_together_read_the_batches_of_the_packed_dataset(
    tmp_path, replicas, batch_size
):
    config = small_config(tmp_path, seed=5)
    devices = of_replicas(replicas)
    strategy = devices.strategy
    data = run_data(config, devices)
    received = rows_of(
        strategy, data.training_dataset(batch_size, 3, {5, 4}), 4
    )
    mixture = Mixture(config.data.shards, config.data.weights)
    whole = packed_dataset(mixture, LENGTH, batch_size, seed=5)
    expected = [x["token_ids"].numpy() for x, _ in whole.take(9)]
    for rows, batch in zip(received, (3, 6, 7, 8), strict=True):
        np.testing.assert_array_equal(rows, expected[batch])


@pytest.mark.parametrize("across", [False, True])
def test_documents_are_masked_in_all_sets(across, tmp_path):
    data = run_data(
        small_config(tmp_path, data={"attend_across_documents": across})
    )
    for dataset in (
        data.training_dataset(4, 0, ()),
        data.held_out_dataset("held")[0],
    ):
        names = {"token_ids", "padding_mask", "segment_ids"}
        expected = names - {"segment_ids"} if across else names
        assert set(next(iter(dataset))[0]) == expected


def test_held_out_sets_are_read_in_full_batches(tmp_path):
    whole = {"batch_size": 7, "max_batches": None}
    data = run_data(small_config(tmp_path, validation=whole))
    assert data.held_out_sets == ["held"]
    _, num_batches = data.held_out_dataset("held")
    contexts = TokenShards(tmp_path / "shards" / "held").num_contexts(LENGTH)
    assert num_batches == contexts // 7
    bounded = {"batch_size": 7, "max_batches": 3}
    data = run_data(small_config(tmp_path, validation=bounded))
    assert data.held_out_dataset("held")[1] == 3


def test_without_weights_sets_count_by_their_tokens(tmp_path):
    config = small_config(tmp_path, data={"weights": None})
    data = run_data(config)
    tokens = {
        name: TokenShards(folder).num_tokens
        for name, folder in config.data.shards.items()
    }
    mixture = Mixture(config.data.shards, tokens)
    assert data.epochs(1000) == mixture.epochs(1000, LENGTH)


def test_one_set_is_no_mixture(tmp_path):
    shards = {"books": str(tmp_path / "shards" / "books")}
    config = small_config(tmp_path, data={"weights": None, "shards": shards})
    data = run_data(config)
    assert isinstance(data.shards, TokenShards)
    contexts = data.shards.num_contexts(LENGTH)
    assert data.epochs(3 * contexts) == {"books": 3.0}


def test_shards_tell_their_vocabulary(tmp_path):
    data = run_data(small_config(tmp_path))
    assert data.vocabulary_size == SMALL["vocabulary_size"]


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"data": {"shards": {}}},
            "data.shards must name at least one folder. Received: "
            "data.shards={}. Write shards with `keras-gpt3 prepare`.",
        ),
        (
            {"validation": {"batch_size": 10_000}},
            "A held-out set must fill a batch. Received: data.validation.held "
            "with 382 contexts, validation.batch_size=10000. Hold out more, or "
            "use a smaller batch.",
        ),
    ],
)
def test_what_cannot_be_read_raises(tmp_path, changes, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        run_data(small_config(tmp_path, **changes))


def test_replicas_that_do_not_divide_a_validation_batch_raise(tmp_path):
    devices = types.SimpleNamespace(num_parts=3)
    message = (
        "The replicas must divide validation.batch_size. Received: "
        "validation.batch_size=4, replicas=3. Use a multiple of 3."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        run_data(small_config(tmp_path), devices)


@pytest.mark.parametrize("parts, expected", [(1, 8), (3, 9), (32, 32)])
def test_a_validation_batch_is_by_default_one_that_replicas_divide(
    tmp_path, parts, expected
):
    config = small_config(tmp_path, validation={"batch_size": None})
    devices = types.SimpleNamespace(
        num_parts=parts, distribute=lambda make: make(parts, [0])
    )
    dataset, _ = run_data(config, devices).held_out_dataset("held")
    assert next(iter(dataset))[1].shape[0] * parts == expected


def test_weights_of_sets_that_are_not_there_raise(tmp_path):
    config = small_config(tmp_path, data={"weights": {"books": 1.0}})
    with pytest.raises(ValueError, match="news"):
        run_data(config)
