import pytest

from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.parallelism_choice import best_choice
from keras_gpt3.planning.parallelism_choice import choose_mesh
from keras_gpt3.planning.parallelism_choice import choose_parallelism
from keras_gpt3.planning.training_job import TrainingJob
from keras_gpt3.preset_loader import load_shipped_preset

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
