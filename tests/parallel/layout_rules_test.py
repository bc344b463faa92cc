import re

import pytest

from keras_gpt3.converters.complete_arguments import complete_arguments
from keras_gpt3.converters.weight_shapes import weight_shapes
from keras_gpt3.parallel.layout_rules import LAYOUT_RULES
from keras_gpt3.parallel.layout_rules import MODEL
from keras_gpt3.parallel.layout_rules import padded_rows
from keras_gpt3.preset_loader import load_shipped_preset


@pytest.mark.parametrize(
    ("vocabulary_size", "devices", "rows"),
    [
        (50257, 1, 50257),
        (50257, 2, 50304),
        (50257, 8, 50304),
        (50257, 3, 50304),
        (50257, 5, 50560),
        (50257, 29, 50257),
        (64, 4, 64),
        (61, 4, 128),
    ],
)
def test_a_table_grows_to_rows_that_the_devices_divide(
    vocabulary_size, devices, rows
):
    assert padded_rows(vocabulary_size, devices) == rows
    assert rows % devices == 0


def test_every_kernel_is_split_over_the_model_axis_by_one_rule():
    arguments = complete_arguments(
        load_shipped_preset("gpt3_small_en")["backbone"]
    )
    for path, shape in weight_shapes(arguments).items():
        rules = [
            rule
            for pattern, rule in LAYOUT_RULES.items()
            if re.fullmatch(pattern, path)
        ]
        assert len(rules) <= 1, path
        if len(shape) == 2 and not path.startswith("position"):
            assert MODEL in rules[0], path
        for rule in rules:
            assert len(rule) == len(shape), path
