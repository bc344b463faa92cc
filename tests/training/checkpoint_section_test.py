import pytest

from keras_gpt3.training.recipe.pretraining_config import CheckpointSection
from tests.section_checks import check_above_0
from tests.section_checks import check_minimum


@pytest.mark.parametrize("field", ["every_steps", "keep_last", "keep_every"])
def test_an_integer_below_1_raises(field):
    check_minimum(CheckpointSection, f"checkpoints.{field}", 1)


def test_a_checkpoint_at_least_is_kept():
    with pytest.raises(ValueError, match="checkpoints.keep_last=None. Pass 1"):
        CheckpointSection(keep_last=None)
    assert CheckpointSection(keep_every=None).keep_every is None


def test_minutes_are_above_0():
    check_above_0(CheckpointSection, "checkpoints.every_minutes", 0.0)
