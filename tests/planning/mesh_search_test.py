import pytest

from keras_gpt3.planning import Links
from keras_gpt3.planning import estimate_sharded_memory
from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.mesh import divisors
from keras_gpt3.planning.mesh import meshes
from keras_gpt3.planning.parallelism_choice import choose_mesh
from keras_gpt3.planning.parallelism_choice import fewest_devices
from keras_gpt3.planning.parallelism_choice import plain_choice
from keras_gpt3.planning.training_job import TrainingJob
from keras_gpt3.planning.training_memory import choose_training
from keras_gpt3.preset_loader import load_shipped_preset

DTYPE = "mixed_bfloat16"
GB = 10**9


def job_of(name, **changes):
    preset = load_shipped_preset(name)
    rows = preset["recipe"]["batch_tokens"] // 2048
    return TrainingJob(preset["backbone"], rows, 2048, DTYPE, **changes)


LARGE = job_of("gpt3_13b_en")
LARGEST = job_of("gpt3_175b_en")
# 8 rows of a small model, whose choices can all be tried.
SMALL = TrainingJob(
    load_shipped_preset("gpt3_small_en")["backbone"], 8, 2048, DTYPE
)


def test_plain_data_parallelism_is_the_training_choice_of_a_replica():
    choice, fits = plain_choice(SMALL, 4, 16 * GB)
    expected, _ = choose_training(
        SMALL.config, 2, 16 * GB, dtype=DTYPE, accelerator="tensorflow"
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
    least = least_of_all(SMALL, 4)
    choice, fits = choose_mesh(SMALL, 4, least)
    assert fits and choice.memory["total"] == least
    choice, fits = choose_mesh(SMALL, 4, least - 1)
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
    assert choose_mesh(SMALL, 13, 72 * GB) == (None, False)
    # One device has nobody to share with.
    assert choose_mesh(SMALL, 1, 72 * GB) == (None, False)


def test_the_devices_that_it_takes_are_the_fewest_doublings():
    assert fewest_devices(LARGEST, 8, 72 * GB) == 64
    assert not choose_mesh(LARGEST, 32, 72 * GB)[1]
    assert choose_mesh(LARGEST, 64, 72 * GB)[1]
    assert fewest_devices(LARGEST, 8, GB) is None
