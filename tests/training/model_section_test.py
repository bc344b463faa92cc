import re

import pytest

from keras_gpt3.training.recipe.pretraining_config import ModelSection
from tests.section_checks import check_minimum


def test_a_micro_batch_has_a_row():
    check_minimum(ModelSection, "model.micro_batch_size", 1, preset="a")


def test_another_way_to_compile_raises():
    message = (
        "model.jit_compile must be a bool or 'auto'. Received: "
        "model.jit_compile='yes'. Leave it out to compile whole steps on GPUs "
        "only."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ModelSection("a", jit_compile="yes")
    assert ModelSection("a", jit_compile=False).jit_compile is False
