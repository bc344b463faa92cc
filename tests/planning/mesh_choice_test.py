import pytest

from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.parallelism_choice import MeshChoice


def choice(mesh=(8,), shard_optimizer=False, shard_weights=False):
    return MeshChoice(
        mesh=Mesh(*mesh),
        shard_optimizer=shard_optimizer,
        shard_weights=shard_weights,
        micro_batch_size=4,
        rematerialization="block",
        memory={"total": 1},
        communication={},
        bubble=0.0,
        recomputation=0.0,
        step_seconds=1.0,
    )


def test_arguments_are_written_as_python_takes_them():
    assert choice().arguments == (
        "micro_batch_size=4, rematerialization='block'"
    )
    assert choice(shard_weights=True).arguments == (
        "shard_weights=True, micro_batch_size=4, rematerialization='block'"
    )


@pytest.mark.parametrize(
    ("made", "is_plain", "backend"),
    [
        (choice((1,)), True, "tensorflow"),
        (choice((8,)), True, "tensorflow"),
        (choice((2, 1, 4)), False, "tensorflow"),
        (choice((2, 4)), False, "jax"),
        (choice((8,), shard_optimizer=True), False, "jax"),
        (choice((8,), shard_weights=True), False, "jax"),
    ],
)
def test_what_a_choice_splits_needs_a_backend(made, is_plain, backend):
    assert made.is_plain is is_plain
    assert made.backend == backend
