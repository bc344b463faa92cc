import contextlib
import re
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops import op_compilation
from keras_gpt3.parallel import mirrored_strategy
from keras_gpt3.parallel.pipeline_stages import assign_stages
from keras_gpt3.parallel.pipeline_stages import check_num_stages
from keras_gpt3.parallel.pipeline_stages import lies_on_stages
from keras_gpt3.parallel.pipeline_stages import moves_weights
from keras_gpt3.parallel.pipeline_stages import place_on_stages
from keras_gpt3.parallel.pipeline_stages import variable_devices
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_backbone

# === Pipeline stages ===


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


# === Stage placement ===


REPLICAS = pytest.mark.parametrize("replicas", [None, 1, 2])


def make(replicas, **overrides):
    """A backbone of 4 blocks, with its strategy and stages of 2 blocks."""
    strategy = replicas and mirrored_strategy(replicas)
    with strategy.scope() if strategy else contextlib.nullcontext():
        backbone = small_backbone(num_layers=4, dropout=0.1, **overrides)
    return (
        backbone,
        strategy,
        assign_stages(backbone.decoder_blocks, 2, strategy),
    )


def expected_devices(variable, replicas):
    """Those of the stage that a variable belongs to, by its path."""
    is_late = variable.path.startswith(("decoder_block_2", "decoder_block_3"))
    replicas = replicas or 1
    first = replicas if is_late else 0
    return tuple(f"/device:CPU:{first + r}" for r in range(replicas))


@REPLICAS
def test_each_weight_lies_where_it_is_used_with_the_value_it_had(replicas):
    backbone, strategy, stages = make(replicas)
    backbone.decoder_blocks[3].attention_output.trainable = False
    before = [(v.path, v.trainable, v.numpy()) for v in backbone.variables]
    trainable = [v.path for v in backbone.trainable_variables]
    assert moves_weights(backbone, stages)
    place_on_stages(backbone, stages, strategy)
    assert not moves_weights(backbone, stages)
    for variable, (path, trains, value) in zip(
        backbone.variables, before, strict=True
    ):
        assert variable_devices(variable) == expected_devices(
            variable, replicas
        )
        assert (variable.path, variable.trainable) == (path, trains)
        assert variable.value.trainable == trains
        np.testing.assert_array_equal(variable.numpy(), value)
    assert [v.path for v in backbone.trainable_variables] == trainable


@REPLICAS
def test_slots_are_made_beside_their_weights(replicas):
    backbone, strategy, stages = make(replicas)
    place_on_stages(backbone, stages, strategy)
    with strategy.scope() if strategy else contextlib.nullcontext():
        optimizer = keras.optimizers.AdamW(use_ema=True)
        optimizer.build(backbone.trainable_variables)
    slots = (
        optimizer._momentums,
        optimizer._velocities,
        optimizer._model_variables_moving_average,
    )
    for kind in slots:
        pairs = zip(kind, backbone.trainable_variables, strict=True)
        for slot, variable in pairs:
            assert variable_devices(slot) == variable_devices(variable)


@REPLICAS
def test_what_has_moved_is_freed_and_can_be_moved_back(replicas):
    backbone, strategy, stages = make(replicas)
    values = [variable.numpy() for variable in backbone.variables]
    # Held, as TensorFlow holds the weights of what was traced.
    held = [v.value for block in stages[1].blocks for v in block.variables]
    place_on_stages(backbone, stages, strategy)
    for value in held:
        for part in getattr(value, "values", (value,)):
            freed = tf.raw_ops.ReadVariableOp(
                resource=part.handle, dtype=part.dtype
            )
            assert freed.shape == (0,)
    place_on_stages(
        backbone, assign_stages(backbone.decoder_blocks, 1, strategy), strategy
    )
    for variable, value in zip(backbone.variables, values, strict=True):
        assert set(variable_devices(variable)) <= {
            "/device:CPU:0",
            "/device:CPU:1",
        }
        np.testing.assert_array_equal(variable.numpy(), value)
    scopes = {block.device_scope for block in backbone.decoder_blocks}
    assert scopes == {None}


def products_by_device(backbone, ids):
    """How many matrix products the graph of a pass has on each device."""
    with op_compilation(False):
        graph = (
            tf.function(lambda: backbone(as_inputs(ids)), autograph=False)
            .get_concrete_function()
            .graph
        )
    devices = [
        tf.DeviceSpec.from_string(operation.device).device_index
        for operation in graph.get_operations()
        if "MatMul" in operation.type
    ]
    return {device: devices.count(device) for device in set(devices)}


def test_blocks_run_where_they_lie_and_compute_what_they_did():
    ids = np.random.default_rng(0).integers(61, size=(2, 8))
    backbone, strategy, stages = make(None, attention_pattern=("dense",))
    expected = backbone(as_inputs(ids))
    assert products_by_device(backbone, ids) == {None: 24}
    place_on_stages(backbone, stages, strategy)
    assert products_by_device(backbone, ids) == {0: 12, 1: 12}
    np.testing.assert_array_equal(backbone(as_inputs(ids)), expected)
