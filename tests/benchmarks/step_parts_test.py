import pytest
from harness import matrix_products
from harness import step_parts
from harness.keras_step import TrainingStep
from harness.step_trace import traced_ops
from harness.traced_names import readable_name

import keras_gpt3

PATTERN = ("dense", "banded")


@pytest.fixture(scope="module")
def parts_of_step():
    """From part of a small model's step to the operations found in it."""
    model = keras_gpt3.GPT3(
        keras_gpt3.GPT3Backbone(
            vocabulary_size=40,
            num_layers=2,
            num_heads=2,
            hidden_dim=16,
            intermediate_dim=32,
            max_sequence_length=32,
            attention_pattern=PATTERN,
            attention_window=8,
        )
    )
    model.compile(optimizer=keras_gpt3.training.AdamW())
    step = TrainingStep(model, batch_size=1, length=32, vocabulary_size=40)
    step()
    parts = step_parts.StepParts(step.graphs(), PATTERN)
    found = {}
    for op in traced_ops(step):
        names = found.setdefault(parts.part(op.name, op.kind), set())
        names.add(readable_name(op.name, op.kind))
    return found


def test_every_part_of_a_step_is_found(parts_of_step):
    assert set(parts_of_step) == set(step_parts.PARTS)


@pytest.mark.parametrize(
    "part",
    [
        matrix_products.DENSE_PROJECTIONS,
        matrix_products.DENSE_ATTENTION,
        matrix_products.BANDED_ATTENTION,
        matrix_products.HEAD,
    ],
)
def test_matrix_products_are_found_where_the_roofline_has_them(
    parts_of_step, part
):
    assert any("MatMul" in name for name in parts_of_step[part])


def test_no_matrix_product_is_found_elsewhere(parts_of_step):
    for part in (step_parts.OTHER, step_parts.NORMS, step_parts.OPTIMIZER):
        assert not any("MatMul" in name for name in parts_of_step[part])
