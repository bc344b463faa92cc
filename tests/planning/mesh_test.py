import re

import pytest

from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.mesh import check_mesh
from keras_gpt3.planning.mesh import divisors
from keras_gpt3.planning.mesh import meshes
from keras_gpt3.planning.mesh import model_axes
from tests.planning.toy_config import TOY

SMALL = {"num_layers": 12, "num_heads": 12, "intermediate_dim": 3072}


def test_a_mesh_counts_its_devices_and_is_written_with_its_axes():
    assert Mesh(4, 2).devices == 8
    assert str(Mesh(4, 1, 2)) == "4 x 1 x 2"
    assert Mesh(4, 2) == (4, 2, 1)


def test_a_model_axis_divides_heads_and_feed_forward():
    assert model_axes(SMALL) == [1, 2, 3, 4, 6, 12]
    assert model_axes(SMALL | {"intermediate_dim": 100}) == [1, 2, 4]


def test_all_meshes_of_some_devices_are_found():
    found = meshes(SMALL, 8, node_devices=8)
    shared = [(8, 1, 1), (4, 2, 1), (2, 4, 1)]
    assert found == [*shared, (4, 1, 2), (2, 1, 4), (1, 1, 8)]
    # No stages over several machines, and none without a block.
    assert meshes(SMALL, 8, node_devices=4) == shared
    assert Mesh(1, 1, 4) in meshes(TOY, 4, node_devices=8)
    assert meshes(TOY, 8, node_devices=8)[-1] == (2, 1, 4)


@pytest.mark.parametrize(
    "mesh", [(8, 1, 1), [4, 2, 1], Mesh(2, 1, 4), (1, 1, 8)]
)
def test_what_a_model_can_run_on_passes(mesh):
    assert check_mesh(mesh, SMALL, 8, node_devices=8) == tuple(mesh)


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        (
            (4, 4, 1),
            "mesh must multiply to devices. Received: mesh=(4, 4, 1), which "
            "are 16, devices=8. Use devices=16, or another mesh.",
        ),
        (
            (2, 2, 2),
            "mesh must have a model axis or stages, not both: the first runs "
            "on JAX, the second on TensorFlow. Received: mesh=(2, 2, 2). Use "
            "(4, 2, 1) or (4, 1, 2).",
        ),
        (
            (1, 8, 1),
            "The model axis must divide num_heads and intermediate_dim. "
            "Received: model=8, num_heads=12, intermediate_dim=3072. Use one "
            "of [1, 2, 3, 4, 6, 12].",
        ),
    ],
)
def test_what_it_cannot_run_on_raises(mesh, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_mesh(mesh, SMALL, 8)


def test_more_stages_than_blocks_raise():
    message = (
        "stages must be at most the number of blocks. Received: stages=8, "
        "num_layers=4. Use 4 or fewer."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_mesh((1, 1, 8), TOY)


def test_stages_over_several_machines_raise():
    message = (
        "stages must be 1 where devices are in several machines, as "
        "MirroredStrategy is for one. Received: mesh=(4, 1, 4), "
        "node_devices=8. Use a model axis."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_mesh((4, 1, 4), TOY, node_devices=8)


@pytest.mark.parametrize(
    "mesh",
    [8, None, (8,), (8, 1), (8, 1, 1, 1), (8, 1, 0), (8, 1, True)]
    + [(8.0, 1, 1), "811", ["8", 1, 1]],
)
def test_what_is_no_mesh_raises(mesh):
    message = (
        "mesh must be three integers of at least 1: data, model and stages. "
        f"Received: mesh={mesh!r}. Write it as (8, 1, 1)."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_mesh(mesh, SMALL, 8)


@pytest.mark.parametrize(
    ("number", "expected"), [(1, [1]), (12, [12, 6, 4, 3, 2, 1]), (7, [7, 1])]
)
def test_divisors_come_with_the_largest_first(number, expected):
    assert divisors(number) == expected
