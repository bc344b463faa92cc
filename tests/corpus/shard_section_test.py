import pytest

from keras_gpt3.corpus.corpus_config import ShardSection
from tests.section_checks import check_minimum


def test_a_shard_has_a_token():
    check_minimum(ShardSection, "shard.tokens_per_shard", 1)


@pytest.mark.parametrize("value", [-0.1, 1.0])
def test_not_all_is_held_out(value):
    message = (
        "^shard.validation_fraction must be at least 0 and below 1. Received: "
        f"shard.validation_fraction={value}. Use 0.01 to hold out one document "
        "in a hundred.$"
    )
    with pytest.raises(ValueError, match=message):
        ShardSection(validation_fraction=value)
