import dataclasses

import ml_dtypes
import numpy as np
import pytest

from keras_gpt3.training.checkpoints.checkpoint_files import CheckpointManifest
from keras_gpt3.training.checkpoints.checkpoint_files import RestoredCheckpoint
from keras_gpt3.training.checkpoints.checkpoint_files import seal_files
from keras_gpt3.training.checkpoints.checkpoint_files import write_arrays


def test_a_checkpoint_comes_back_with_all_that_was_saved(tmp_path):
    arrays = {"a/b": np.ones((2, 3), ml_dtypes.bfloat16), "c": np.array(5)}
    write_arrays(tmp_path, arrays)
    files = seal_files(tmp_path)
    manifest = CheckpointManifest.of_now(7, 1.5, {"seed": 3}, arrays, files)
    manifest.write(tmp_path)
    restored = RestoredCheckpoint.read(tmp_path)
    assert (restored.step, restored.facts) == (7, {"seed": 3})
    assert restored.folder == tmp_path
    assert restored.arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(restored.arrays[name], array, strict=True)


def test_a_restored_checkpoint_cannot_be_changed(tmp_path):
    restored = RestoredCheckpoint(7, {}, {}, tmp_path)
    with pytest.raises(dataclasses.FrozenInstanceError):
        restored.step = 8
