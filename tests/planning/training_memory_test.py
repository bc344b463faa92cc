import re

import pytest

from keras_gpt3.planning import describe
from keras_gpt3.planning import estimate_memory
from keras_gpt3.planning import estimate_training_memory
from keras_gpt3.planning.pass_sizes import PassSizes
from keras_gpt3.planning.tensorflow_memory import block_bytes
from keras_gpt3.planning.tensorflow_memory import bytes_after_blocks
from keras_gpt3.planning.tensorflow_memory import fragmentation_bytes
from keras_gpt3.planning.tensorflow_memory import program_bytes
from keras_gpt3.planning.tensorflow_memory import step_moments
from keras_gpt3.planning.training_memory import rows_at_once
from keras_gpt3.preset_loader import load_shipped_preset
from tests.planning.toy_config import TOY

SMALL = load_shipped_preset("gpt3_small_en")["backbone"]
PARAMETERS = describe(TOY).num_parameters


def total(**options):
    return estimate_training_memory(SMALL, **options)["total"]


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_variables_are_those_of_the_estimate_without_activations(optimizer):
    memory = estimate_training_memory(TOY, optimizer=optimizer)
    variables = estimate_memory(PARAMETERS, "float32", optimizer)
    for part in ("weights", "gradients", "optimizer"):
        assert memory[part] == variables[part]


def test_activations_are_told_by_the_kind_of_the_layer():
    memory = estimate_training_memory(
        TOY | {"num_layers": 5}, batch_size=3, length=9
    )
    sizes = PassSizes.of(TOY, "float32", 3, length=9)
    assert memory["dense_activations"] == 3 * block_bytes(sizes)
    assert memory["banded_activations"] == 2 * block_bytes(sizes)
    assert memory["other_activations"] == bytes_after_blocks(sizes)


@pytest.mark.parametrize("micro_batch_size", [None, 2])
def test_the_total_is_what_lasts_and_the_worst_moment(micro_batch_size):
    memory = estimate_training_memory(
        TOY, batch_size=6, micro_batch_size=micro_batch_size
    )
    sizes = PassSizes.of(TOY, "float32", micro_batch_size or 6)
    gradients = 4 * PARAMETERS
    summed = gradients if micro_batch_size else 0
    arrays = max(step_moments(sizes, gradients, summed).values())
    assert memory["program"] == program_bytes(16, (None, 4, None, 4))
    assert memory["fragmentation"] == fragmentation_bytes(sizes, arrays)
    lasting = memory["weights"] + memory["optimizer"]
    overhead = memory["program"] + memory["fragmentation"]
    assert lasting == 3 * 4 * PARAMETERS
    assert memory["total"] == lasting + arrays + overhead


def test_micro_batches_keep_the_activations_of_one():
    memory = estimate_training_memory(TOY, batch_size=6, micro_batch_size=2)
    whole = estimate_training_memory(TOY, batch_size=2)
    for part in ("dense_activations", "loss_chunk", "workspace"):
        assert memory[part] == whole[part]
    # But all gradients are there from the beginning.
    assert memory["total"] > whole["total"]


def test_micro_batches_are_summed_in_float32():
    options = {"dtype": "bfloat16", "batch_size": 2}
    whole = estimate_training_memory(TOY, **options)
    parts = estimate_training_memory(TOY, micro_batch_size=1, **options)
    assert whole["gradients"] == 2 * PARAMETERS
    assert parts["gradients"] == 4 * PARAMETERS


@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_a_peak_is_less_than_the_sum_of_the_parts(batch_size):
    memory = estimate_training_memory(SMALL, batch_size=batch_size)
    parts = sum(memory.values()) - memory["total"]
    assert memory["total"] < parts


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "bfloat16"])
def test_more_work_at_a_time_takes_more_memory(dtype):
    def rising(**changes):
        names = changes.keys()
        values = [
            total(dtype=dtype, **dict(zip(names, step, strict=True)))
            for step in zip(*changes.values(), strict=True)
        ]
        return values == sorted(values) and len(set(values)) == len(values)

    assert rising(batch_size=[1, 2, 4, 8])
    assert rising(length=[512, 1024, 2048], batch_size=[4, 4, 4])
    assert rising(
        batch_size=[8, 8, 8, 8],
        rematerialization=["block", 2, 6, "none"],
    )
    assert rising(batch_size=[8, 8, 8], micro_batch_size=[1, 2, 4])


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_on_an_accelerator_the_step_is_compiled_as_a_whole(backend):
    memory = estimate_training_memory(SMALL, accelerator=backend)
    assert memory["weights"] == estimate_training_memory(SMALL)["weights"]
    assert "program" not in memory and "fragmentation" not in memory
    sizes = [
        total(accelerator=backend, batch_size=rows, micro_batch_size=micro)
        for rows, micro in ((1, None), (8, 4), (8, None))
    ]
    assert sizes == sorted(sizes)


def test_half_precision_takes_less():
    sizes = [
        total(dtype=dtype, batch_size=8)
        for dtype in ("bfloat16", "mixed_bfloat16", "float32")
    ]
    assert sizes == sorted(sizes)


def test_rows_may_be_shorter_than_the_context_but_not_longer():
    assert total(length=1024) < total()
    with pytest.raises(ValueError, match="length must be at most max_sequen"):
        total(length=4096)


@pytest.mark.parametrize("name", ["batch_size", "micro_batch_size", "length"])
def test_a_number_that_is_none_raises(name):
    message = f"{name} must be an integer of at least 1. Received: {name}=0."
    with pytest.raises(ValueError, match=re.escape(message)):
        total(**{name: 0})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"batch_size": 8, "micro_batch_size": 3},
            "micro_batch_size must divide the rows of a batch on each "
            "replica. Received: rows=8, micro_batch_size=3. Use a divisor, ",
        ),
        (
            {"optimizer": None},
            "optimizer must be one to train with. Received: optimizer=None. "
            "Use 'adamw', 'adam' or 'sgd'.",
        ),
        ({"optimizer": "lion"}, "optimizer must be a known one. Received: "),
        ({"dtype": "int8"}, "dtype must be a known one. Received: dtype="),
        ({"rematerialization": "some"}, "rematerialization must be 'none', "),
        (
            {"accelerator": "gpu"},
            "accelerator must be the Keras backend that runs a GPU, or None. "
            "Received: accelerator='gpu'. Use 'jax', 'tensorflow' or None for ",
        ),
    ],
)
def test_a_wrong_argument_raises(options, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        total(**options)


def test_the_rows_at_once_are_those_of_a_micro_batch_or_all():
    assert rows_at_once(8) == 8
    assert rows_at_once(8, 2) == 2


@pytest.mark.parametrize(
    ("rows", "size", "message"),
    [
        (0, None, "batch_size must be an integer of at least 1. "),
        (8, 0, "micro_batch_size must be an integer of at least 1. "),
        (8, 3, "micro_batch_size must divide the rows of a batch on each "),
    ],
)
def test_other_rows_raise(rows, size, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        rows_at_once(rows, size)
