import re

import pytest

from keras_gpt3.planning import describe
from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.parallelism_choice import MeshChoice
from keras_gpt3.planning.parallelism_choice import best_choice
from keras_gpt3.planning.parallelism_choice import check_rows_divide
from keras_gpt3.planning.parallelism_choice import choose_mesh
from keras_gpt3.planning.parallelism_choice import choose_parallelism
from keras_gpt3.planning.parallelism_choice import nearest_rows
from keras_gpt3.planning.parallelism_choice import rows_of_batch
from keras_gpt3.planning.training_job import TrainingJob
from keras_gpt3.preset_loader import load_shipped_preset
from tests.planning.toy_config import TOY

# === Parallelism choice ===


GB = 10**9
SMALL = load_shipped_preset("gpt3_small_en")["backbone"]
LARGE = load_shipped_preset("gpt3_13b_en")["backbone"]


def choose(config, rows, devices, gigabytes, mesh=None):
    job = TrainingJob(config, rows, 2048, "mixed_bfloat16")
    return choose_parallelism(job, devices, gigabytes * GB, mesh)


@pytest.mark.parametrize("devices", [1, 2, 8])
def test_replicas_do_where_the_model_fits(devices):
    choice, fits = choose(SMALL, 64, devices, 12)
    assert fits and choice.is_plain
    assert choice.mesh == (devices, 1, 1)


def test_else_the_model_is_split():
    choice, fits = choose(LARGE, 64, 8, 72)
    job = TrainingJob(LARGE, 64, 2048, "mixed_bfloat16")
    assert (choice, fits) == choose_mesh(job, 8, 72 * GB)
    assert fits and not choice.is_plain


def test_where_nothing_fits_the_smallest_is_given():
    choice, fits = choose(LARGE, 64, 8, 1)
    assert not fits and choice.mesh.model > 1
    choice, fits = choose(LARGE, 64, 1, 72)
    assert not fits and choice.mesh == (1, 1, 1)


def test_a_mesh_is_kept_and_replicas_tried_first_on_it():
    assert choose(SMALL, 64, 8, 12, Mesh(8))[0].is_plain
    assert choose(SMALL, 64, 8, 12, Mesh(2, 4))[0].mesh == (2, 4, 1)
    choice, fits = choose(LARGE, 64, 8, 72, Mesh(8))
    assert fits and choice.mesh == (8, 1, 1) and choice.shard_weights


def test_a_data_axis_that_does_not_divide_the_rows_raises():
    message = "^data must divide the rows of the batch. Received: data=4, "
    with pytest.raises(ValueError, match=message):
        choose(SMALL, 6, 8, 12, Mesh(4, 2))


def test_fewer_rows_than_devices_are_shared_within_a_replica():
    choice, fits = choose(SMALL, 2, 8, 12)
    assert fits and choice.mesh == (2, 4, 1)


@pytest.mark.parametrize(("devices", "rows"), [(6, 8), (3, 8), (8, 1)])
def test_other_rows_are_asked_for_where_they_would_be_enough(devices, rows):
    # 8 devices would be 8 stages for one row: no gain, as 12 heads need 1, 2,
    # 3, 4, 6 or 12.
    message = "^devices must divide the rows of the batch. Received: devices="
    with pytest.raises(ValueError, match=message):
        choose(SMALL, rows, devices, 12)


def test_a_model_too_large_for_a_device_does_without_some_replicas():
    choice, fits = choose(LARGE, 1536, 1024, 72)
    assert fits and 1536 % choice.mesh.data == 0
    assert choice.mesh.data < 1024


def test_no_mesh_at_all_asks_for_other_rows():
    # 11 divides no axis of 40 heads, and 13B has 40 blocks, 8 on a machine.
    message = "Use batch_tokens=22528, 11 rows.$"
    with pytest.raises(ValueError, match=message):
        choose(LARGE, 8, 11, 72)


@pytest.mark.parametrize(("devices", "rows"), [(6, 8), (3, 8), (13, 8)])
def test_the_best_choice_is_for_the_rows_as_they_are(devices, rows):
    job = TrainingJob(SMALL, rows, 2048, "mixed_bfloat16")
    choice, fits = best_choice(job, devices, 12 * GB)
    assert fits is (devices != 13)
    assert choice is None or rows % choice.mesh.data == 0


# === Batch rows ===


def test_a_recipe_has_the_paper_s_rows():
    assert rows_of_batch(describe("gpt3_175b_en"), None, 2048) == 1536
    assert rows_of_batch(describe("gpt3_175b_en"), 4096, 1024) == 4


def test_a_config_without_a_recipe_needs_a_batch():
    with pytest.raises(ValueError, match="^batch_tokens must be given where "):
        rows_of_batch(describe(TOY), None, 16)


def test_tokens_that_make_no_whole_rows_raise():
    message = (
        "batch_tokens must be a multiple of length. Received: batch_tokens=40, "
        "length=16. Use batch_tokens=32."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        rows_of_batch(describe(TOY), 40, 16)


def test_devices_that_do_not_divide_the_rows_raise_with_the_nearest():
    check_rows_divide("data", 4, rows=8, length=16)
    message = (
        "data must divide the rows of the batch. Received: data=3, "
        "batch_tokens=128, which are 8 rows of 16 tokens. Use "
        "batch_tokens=144, 9 rows."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_rows_divide("data", 3, rows=8, length=16)


@pytest.mark.parametrize(
    ("number", "rows", "expected"), [(3, 8, 9), (3, 7, 6), (8, 1, 8), (4, 8, 8)]
)
def test_the_nearest_rows_divide(number, rows, expected):
    assert nearest_rows(number, rows) == expected


# === Mesh choice ===


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
