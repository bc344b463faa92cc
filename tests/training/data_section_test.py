import re

import pytest

from keras_gpt3.training.recipe.pretraining_config import DataSection
from tests.section_checks import check_minimum


def test_a_context_has_a_token():
    check_minimum(DataSection, "data.sequence_length", 1, shards={"a": "b"})


def test_batches_are_counted_from_0():
    message = (
        "A batch of data.skip_batches must be an integer of at least 0. "
        "Received: A batch of data.skip_batches=-1. Pass 0 or more."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        DataSection({"a": "b"}, skip_batches=[0, -1])
