import pytest

from keras_gpt3.converters.sharded_index import CHECKPOINT_FILES
from keras_gpt3.converters.sharded_index import KERAS_FILES
from tests.small_gpt3 import small_text_model


@pytest.mark.parametrize(
    ("method", "size", "patterns"),
    [
        ("save_to_preset", 1, KERAS_FILES),
        ("save_to_preset", 2e-5, KERAS_FILES),
        ("export_to_transformers", "1GB", CHECKPOINT_FILES),
        ("export_to_transformers", "2KB", CHECKPOINT_FILES),
    ],
)
def test_they_are_all_that_a_model_writes(method, size, patterns, tmp_path):
    model = small_text_model(attention_pattern=("dense",))
    getattr(model, method)(tmp_path, max_shard_size=size)
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    known = {path for pattern in patterns for path in tmp_path.glob(pattern)}
    # A card is its author's.
    assert files - known <= {tmp_path / "README.md"}
    assert len(known) > 4
