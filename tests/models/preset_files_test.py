import pytest

from keras_gpt3.models.preset_files import check_plain_files
from keras_gpt3.models.preset_files import damage_named
from keras_gpt3.models.preset_files import has_weights


def test_a_missing_folder_has_no_files_to_check():
    check_plain_files("gpt3_small_en")
    check_plain_files("kaggle://keras/gpt/keras/x")


def test_a_shard_that_is_gone_is_named(tmp_path):
    index = '{"weight_map": {"/a": ["model_00000.weights.h5"]}}'
    (tmp_path / "model.weights.json").write_text(index)
    with pytest.raises(FileNotFoundError, match="without model_00000.weights"):
        has_weights(tmp_path, None)
    assert not has_weights(tmp_path, False)


def test_a_shard_elsewhere_is_refused(tmp_path):
    index = '{"weight_map": {"/a": "../a.weights.h5"}}'
    (tmp_path / "model.weights.json").write_text(index)
    with pytest.raises(ValueError, match="under a plain file name. Received"):
        has_weights(tmp_path, True)


def test_errors_of_several_lines_become_one_and_others_stay():
    for error in (ValueError("a b\nc"), KeyError("a b"), RecursionError("a b")):
        with pytest.raises(ValueError, match=r"preset='p' \(.*a b.*\). Copy"):
            with damage_named("p"):
                raise error
    with pytest.raises(ValueError, match="^one line$"):
        with damage_named("p"):
            raise ValueError("one line")
