import pytest

from keras_gpt3.planning.device_share import DeviceShare
from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.pass_sizes import PassSizes
from keras_gpt3.planning.step_time import communication_bytes
from tests.planning.toy_config import TOY

NOTHING = dict.fromkeys(("activations", "gradients", "weights", "stages"), 0)
# Of one row of 16 tokens, in bfloat16.
ACTIVATION = 16 * 8 * 2


def sent(
    mesh, micro_batches=1, policy="none", dtype="mixed_bfloat16", **shards
):
    sizes = PassSizes.of(TOY, dtype, 1, rematerialization=policy)
    share = DeviceShare.of(TOY, mesh, **shards)
    return communication_bytes(mesh, share, sizes, micro_batches)


def test_a_device_alone_sends_nothing():
    assert sent(Mesh(1), 4, "block") == NOTHING


@pytest.mark.parametrize(
    ("policy", "recomputed"), [("none", 0), (2, 2), ("block", 4)]
)
def test_a_model_axis_adds_up_activations_by_hand(policy, recomputed):
    # Two of a block forward, two backward, one again; lookup and head; four
    # float32 of the loss for each token.
    sums = 4 * 4 + recomputed + 2
    expected = sums * ACTIVATION + 16 * 4 * 4
    # A ring of 2 sends 2 x 1 / 2 of it.
    assert sent(Mesh(1, 2), 3, policy) == NOTHING | {
        "activations": 3 * expected
    }


def test_a_data_axis_adds_up_gradients_once_a_step():
    for micro_batches in (1, 5):
        found = sent(Mesh(4), micro_batches)
        assert found == NOTHING | {"gradients": 2 * 3 / 4 * 4 * 3712}


def test_gradients_are_of_the_weights_dtype_unless_they_were_added_up():
    assert sent(Mesh(2), 1, dtype="bfloat16")["gradients"] == 2 * 3712
    assert sent(Mesh(2), 2, dtype="bfloat16")["gradients"] == 4 * 3712


def test_shared_optimizer_state_sends_the_new_weights():
    found = sent(Mesh(4), 2, shard_optimizer=True)
    assert found == sent(Mesh(4), 2) | {"weights": 3 / 4 * 4 * 3712}


def test_shared_weights_are_gathered_twice_a_micro_batch():
    found = sent(Mesh(4), 5, shard_weights=True)
    assert found["weights"] == 5 * 2 * 3 / 4 * 2 * 3712
    # Scattered, which is half of the way of a sum, but every time.
    assert found["gradients"] == 5 * 3 / 4 * 4 * 3712


def test_both_axes_send_a_part_of_the_model_each():
    found = sent(Mesh(4, 2))
    assert found["gradients"] == 2 * 3 / 4 * 4 * 2024
    assert found["activations"] == sent(Mesh(1, 2))["activations"]


def test_stages_send_each_micro_batch_forward_and_back():
    found = sent(Mesh(2, 1, 2), 6)
    assert found == NOTHING | {
        "stages": 6 * 2 * ACTIVATION,
        "gradients": 4 * (2 * 872 + 224),
    }


@pytest.mark.parametrize("kind", ["activations", "gradients"])
def test_a_longer_ring_sends_more_up_to_twice_the_bytes(kind):
    meshes = {
        "activations": [Mesh(1, n) for n in (1, 2)],
        "gradients": [Mesh(n) for n in (1, 2, 8, 1024)],
    }[kind]
    found = [sent(mesh)[kind] for mesh in meshes]
    assert found == sorted(found)
    assert found[-1] <= 2 * 4 * 3712
