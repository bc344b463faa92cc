import re
import types

import keras
import pytest
import tensorflow as tf

from keras_gpt3.parallel import mirrored_strategy
from keras_gpt3.parallel.pipeline_stages import assign_stages
from keras_gpt3.parallel.pipeline_stages import check_num_stages
from keras_gpt3.parallel.pipeline_stages import lies_on_stages

pytestmark = pytest.mark.backend("tensorflow", reason="places on devices")


@pytest.mark.parametrize(
    "num_blocks, expected",
    [
        (6, [(0, 1, 2, 3, 4, 5)]),
        (6, [(0, 1, 2), (3, 4, 5)]),
        (5, [(0, 1), (2, 3, 4)]),
        (7, [(0,), (1, 2), (3, 4), (5, 6)]),
        (4, [(0,), (1,), (2,), (3,)]),
    ],
)
def test_the_later_stages_have_a_block_more_where_one_has(num_blocks, expected):
    stages = assign_stages(list(range(num_blocks)), len(expected), None)
    assert [stage.blocks for stage in stages] == expected


@pytest.mark.parametrize(
    "replicas, expected",
    [
        (None, [(0,), (1,), (2,), (3,)]),
        (1, [(0,), (1,), (2,), (3,)]),
        (2, [(0, 1), (2, 3), (4, 5), (6, 7)]),
    ],
)
def test_the_first_stage_is_on_the_devices_of_the_replicas(replicas, expected):
    strategy = replicas and mirrored_strategy(replicas)
    stages = assign_stages(list(range(4)), 4, strategy)
    numbers = [
        tuple(int(name.removeprefix("/device:CPU:")) for name in stage.devices)
        for stage in stages
    ]
    assert numbers == expected


def test_a_stage_is_where_the_weights_of_its_first_block_are():
    with tf.device("CPU:3"):
        variable = keras.Variable(1.0)
    blocks = (types.SimpleNamespace(variables=[variable]),)
    (stage,) = assign_stages(blocks, 1, None)
    assert stage.device.endswith("CPU:3")


def raises(message):
    return pytest.raises(ValueError, match=f"^{re.escape(message)}$")


def test_more_stages_than_blocks_raise():
    message = (
        "pipeline_stages must be at most the number of blocks. Received: "
        "pipeline_stages=3, num_layers=2. Use fewer stages."
    )
    with raises(message):
        assign_stages([0, 1], 3, None)


@pytest.mark.parametrize("replicas, stages", [(None, 9), (2, 5), (3, 3)])
def test_more_stages_than_devices_raise(replicas, stages):
    message = (
        "pipeline_stages must be at most the number of CPU devices for each "
        f"replica. Received: pipeline_stages={stages}, devices=8, replicas="
        f"{replicas or 1}. Use fewer stages or replicas; CPU devices can only "
        "be split before TensorFlow first uses them."
    )
    strategy = replicas and mirrored_strategy(replicas)
    with raises(message):
        assign_stages(list(range(9)), stages, strategy)


def test_another_strategy_raises():
    message = (
        "pipeline_stages must be 1 under another strategy than "
        "MirroredStrategy. Received: pipeline_stages=2, "
        "strategy=OneDeviceStrategy. Use "
        "keras_gpt3.parallel.mirrored_strategy, or no strategy."
    )
    with raises(message):
        assign_stages([0, 1], 2, tf.distribute.OneDeviceStrategy("CPU:0"))


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "auto", None])
def test_what_is_no_number_of_stages_raises(value):
    message = (
        "pipeline_stages must be an integer of at least 1. Received: "
        f"pipeline_stages={value!r}. Pass 1 or more."
    )
    with raises(message):
        check_num_stages(value)


def test_another_backend_has_no_stages(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    check_num_stages(1)
    message = (
        "A model of pipeline_stages=2 must run on Keras' TensorFlow backend. "
        "Received: KERAS_BACKEND=jax. Use GPT3Backbone.get_layout_map with "
        "keras.distribution there."
    )
    with pytest.raises(NotImplementedError, match=f"^{re.escape(message)}$"):
        check_num_stages(2)


@pytest.mark.parametrize(
    ("scope", "expected"), [(None, False), (lambda: None, True)]
)
def test_blocks_tell_whether_they_lie_on_stages(scope, expected):
    blocks = [types.SimpleNamespace(device_scope=scope)]
    assert lies_on_stages(blocks) is expected
