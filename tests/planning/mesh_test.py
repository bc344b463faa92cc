import re

import pytest

from keras_gpt3.planning import Links
from keras_gpt3.planning import estimate_sharded_memory
from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.mesh import check_mesh
from keras_gpt3.planning.mesh import divisors
from keras_gpt3.planning.mesh import meshes
from keras_gpt3.planning.mesh import model_axes
from keras_gpt3.planning.parallelism_choice import choose_mesh
from keras_gpt3.planning.parallelism_choice import fewest_devices
from keras_gpt3.planning.parallelism_choice import plain_choice
from keras_gpt3.planning.training_job import TrainingJob
from keras_gpt3.planning.training_memory import choose_training
from keras_gpt3.preset_loader import load_shipped_preset
from tests.planning.toy_config import TOY

# === Mesh ===


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


# === Mesh search ===


DTYPE = "mixed_bfloat16"
GB = 10**9


def job_of(name, **changes):
    preset = load_shipped_preset(name)
    rows = preset["recipe"]["batch_tokens"] // 2048
    return TrainingJob(preset["backbone"], rows, 2048, DTYPE, **changes)


LARGE = job_of("gpt3_13b_en")
LARGEST = job_of("gpt3_175b_en")
# 8 rows of a small model, whose choices can all be tried.
SMALL_JOB = TrainingJob(
    load_shipped_preset("gpt3_small_en")["backbone"], 8, 2048, DTYPE
)


def test_plain_data_parallelism_is_the_training_choice_of_a_replica():
    choice, fits = plain_choice(SMALL_JOB, 4, 16 * GB)
    expected, _ = choose_training(
        SMALL_JOB.config,
        2,
        16 * GB,
        dtype=DTYPE,
        accelerator="tensorflow",
    )
    assert fits and choice.is_plain
    assert choice.mesh == (4, 1, 1)
    assert choice.memory == expected.memory
    assert choice.micro_batch_size == expected.micro_batch_size
    assert choice.rematerialization == expected.rematerialization
    assert choice.bubble == choice.communication["activations"] == 0


def least_of_all(job, devices):
    """The least memory of any mesh, found by trying everything."""
    totals = []
    for mesh in meshes(job.config, devices, node_devices=8):
        rows = job.rows // mesh.data
        shards = [{}] if mesh.data < devices else []
        if mesh.data > 1 and mesh.stages == 1:
            shards += [{"shard_optimizer": True}, {"shard_weights": True}]
        totals += [
            estimate_sharded_memory(
                job.config,
                mesh,
                dtype=DTYPE,
                batch_size=rows,
                micro_batch_size=micro,
                rematerialization=policy,
                **shard,
            )["total"]
            for shard in shards
            for micro in divisors(rows)
            for policy in ("none", 2, "block")
        ]
    return min(totals)


def test_what_fits_least_memory_is_found():
    least = least_of_all(SMALL_JOB, 4)
    choice, fits = choose_mesh(SMALL_JOB, 4, least)
    assert fits and choice.memory["total"] == least
    choice, fits = choose_mesh(SMALL_JOB, 4, least - 1)
    assert not fits and choice.memory["total"] == least


@pytest.mark.parametrize("devices", [8, 64])
def test_memory_is_that_of_the_arguments(devices):
    choice, fits = choose_mesh(LARGE, devices, 36 * GB)
    assert fits
    assert choice.memory["total"] <= 36 * GB
    assert choice.memory == estimate_sharded_memory(
        LARGE.config,
        choice.mesh,
        dtype=DTYPE,
        batch_size=LARGE.rows // choice.mesh.data,
        micro_batch_size=choice.micro_batch_size,
        rematerialization=choice.rematerialization,
        shard_optimizer=choice.shard_optimizer,
        shard_weights=choice.shard_weights,
    )


def test_more_memory_is_never_slower():
    for devices in (8, 64, 1024):
        found = [
            choose_mesh(LARGE, devices, n * GB) for n in (8, 16, 40, 80, 640)
        ]
        seconds = [choice.step_seconds for choice, fits in found if fits]
        # To the percent that choices may differ by.
        rounded = [float(f"{s:.2e}") for s in seconds]
        assert rounded == sorted(rounded, reverse=True)
        assert [fits for _, fits in found] == sorted(fits for _, fits in found)


def test_more_devices_are_never_slower():
    found = [choose_mesh(LARGE, n, 72 * GB)[0] for n in (8, 16, 64, 256, 1024)]
    seconds = [choice.step_seconds for choice in found]
    assert seconds == sorted(seconds, reverse=True)


def test_a_model_axis_leaves_a_machine_only_where_nothing_else_fits():
    choice, fits = choose_mesh(LARGEST, 64, 72 * GB)
    assert fits and choice.mesh.model <= 8
    small = job_of("gpt3_175b_en", links=Links(node_devices=2))
    near = [choose_mesh(small, 64, 0, Mesh(64 // n, n))[0] for n in (1, 2)]
    least = min(choice.memory["total"] for choice in near)
    choice, fits = choose_mesh(small, 64, least)
    assert fits and choice.mesh.model <= 2
    choice, fits = choose_mesh(small, 64, least - 1)
    assert fits and choice.mesh.model > 2


def test_a_slow_network_makes_the_data_axis_smaller():
    fast = job_of("gpt3_13b_en", links=Links(network_bandwidth=300e9))
    slow = job_of("gpt3_13b_en", links=Links(network_bandwidth=1e9))
    axes = [choose_mesh(job, 64, 72 * GB)[0].mesh.data for job in (fast, slow)]
    assert axes[0] > axes[1]


def test_the_data_axis_divides_the_rows():
    for devices in (64, 1024):
        choice, _ = choose_mesh(LARGEST, devices, 72 * GB)
        assert LARGEST.rows % choice.mesh.data == 0
        assert choice.mesh.devices == devices


@pytest.mark.parametrize("mesh", [(8, 1, 1), (2, 4, 1), (1, 8, 1), (2, 1, 4)])
def test_a_mesh_that_is_given_is_kept(mesh):
    choice, _ = choose_mesh(LARGE, 8, 72 * GB, Mesh(*mesh))
    assert choice.mesh == mesh
    assert choice.bubble > 0 or mesh[2] == 1


def test_where_there_is_no_mesh_there_is_no_choice():
    # 13 divides neither 12 heads nor 8 rows, and there are 12 blocks.
    assert choose_mesh(SMALL_JOB, 13, 72 * GB) == (None, False)
    # One device has nobody to share with.
    assert choose_mesh(SMALL_JOB, 1, 72 * GB) == (None, False)


def test_the_devices_that_it_takes_are_the_fewest_doublings():
    assert fewest_devices(LARGEST, 8, 72 * GB) == 64
    assert not choose_mesh(LARGEST, 32, 72 * GB)[1]
    assert choose_mesh(LARGEST, 64, 72 * GB)[1]
    assert fewest_devices(LARGEST, 8, GB) is None
