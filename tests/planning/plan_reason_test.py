import dataclasses

from keras_gpt3.planning import estimate_training_memory
from keras_gpt3.planning import format_bytes
from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.parallelism_choice import choose_parallelism
from keras_gpt3.planning.parallelism_choice import fewest_devices
from keras_gpt3.planning.plan import plan_reason
from keras_gpt3.planning.training_job import TrainingJob
from keras_gpt3.preset_loader import load_shipped_preset

GB = 10**9
MEDIUM = load_shipped_preset("gpt3_2.7b_en")["backbone"]
JOB = TrainingJob(MEDIUM, 8, 2048, "mixed_bfloat16")


def reason(budget, devices=1, mesh=None, job=JOB):
    choice, _ = choose_parallelism(job, devices, budget, mesh)
    return plan_reason(job, choice, budget, mesh), choice


def test_what_fits_is_compared_with_what_may_be_used():
    text, choice = reason(72 * GB)
    total = format_bytes(choice.memory["total"])
    assert text == (
        f"The step takes {total} at its peak, of the 72.0 GB that may be used "
        "(10% of a device stays free)."
    )


def test_a_split_model_says_what_a_whole_one_would_take():
    text, choice = reason(36 * GB, devices=8)
    assert not choice.is_plain
    whole = estimate_training_memory(
        MEDIUM,
        dtype="mixed_bfloat16",
        rematerialization="block",
        batch_size=1,
        accelerator="tensorflow",
    )
    assert text.endswith(
        " The whole model would take at least "
        f"{format_bytes(whole['total'])} on each device."
    )
    assert "whole model" not in reason(36 * GB, 8, choice.mesh)[0]


def test_devices_that_do_not_divide_the_rows_are_a_reason_too():
    text, choice = reason(72 * GB, devices=16)
    assert choice.mesh.model > 1
    assert text.endswith(" The 8 rows cannot be shared equally by 16 replicas.")


def test_what_fits_nowhere_says_what_it_lacks_and_what_would_do():
    text, choice = reason(10 * GB)
    total = choice.memory["total"]
    more = fewest_devices(JOB, 1, 10 * GB)
    assert more > 1
    assert text == (
        f"Even with {choice.arguments} the step takes {format_bytes(total)} at "
        f"its peak, {format_bytes(total - 10 * GB)} more than the 10.0 GB "
        "that may be used (10% of a device stays free). Use devices of "
        f"{format_bytes(total / 0.9)}, or devices={more}."
    )


def test_a_mesh_that_fails_is_named_with_one_that_fits():
    text, choice = reason(12 * GB, 8, Mesh(4, 1, 2))
    start = "Even on a mesh 4 x 1 x 2 and with "
    assert text.startswith(start + choice.arguments)
    other, fits = choose_parallelism(JOB, 8, 12 * GB)
    assert fits
    assert f", or mesh={tuple(other.mesh)}" in text
    assert "mesh=" not in reason(1 * GB, 8)[0]


def test_half_precision_is_offered_where_it_fits():
    half = dataclasses.replace(JOB, dtype="bfloat16")
    choice, fits = choose_parallelism(half, 1, 36 * GB)
    assert fits
    text, _ = reason(36 * GB)
    assert text.endswith(f", or dtype='bfloat16' with {choice.arguments}.")
    assert "dtype=" not in reason(10 * GB, job=half)[0]
