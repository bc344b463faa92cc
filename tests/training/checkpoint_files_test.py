import hashlib

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.training.checkpoints import checkpoint_files
from keras_gpt3.training.checkpoints.checkpoint_files import CheckpointManifest

DTYPES = [
    "float32",
    "float64",
    "float16",
    "int8",
    "int64",
    "uint32",
    "uint64",
    "bool",
    ml_dtypes.bfloat16,
    ml_dtypes.float8_e4m3fn,
]


def same(found, expected):
    return (
        isinstance(found, np.ndarray)
        and found.dtype == expected.dtype
        and found.shape == expected.shape
        and found.tobytes() == expected.tobytes()
    )


@pytest.mark.parametrize("part_bytes", [1, 100, 2**30])
def test_dtypes_and_shapes_come_back_from_parts_of_any_size(
    part_bytes, tmp_path
):
    generator = np.random.default_rng(0)
    arrays = {
        f"layer/{np.dtype(dtype).name}/{len(shape)}": np.array(
            generator.integers(0, 100, shape)
        ).astype(dtype)
        for dtype in DTYPES
        for shape in [(), (0, 3), (2, 3, 5)]
    }
    checkpoint_files.write_arrays(tmp_path, arrays, part_bytes)
    found = checkpoint_files.read_arrays(tmp_path, arrays)
    assert list(found) == list(arrays)
    assert all(same(found[name], arrays[name]) for name in arrays)
    names = {path.name for path in tmp_path.iterdir()}
    num_parts = len(names) - 1
    assert (num_parts == 1) == (part_bytes == 2**30)
    assert names == {"arrays.index"} | {
        f"arrays.data-{part:05d}-of-{num_parts:05d}"
        for part in range(num_parts)
    }


def test_bits_of_special_floats_and_strided_arrays_come_back(tmp_path):
    arrays = {
        "special": np.array([np.nan, -0.0, np.inf, 1e-45], "float32"),
        "strided": np.arange(24).reshape(4, 6)[::2, ::-1],
    }
    checkpoint_files.write_arrays(tmp_path, arrays)
    found = checkpoint_files.read_arrays(tmp_path, arrays)
    assert all(same(found[name], arrays[name]) for name in arrays)


def test_tensorflow_s_own_reader_reads_the_arrays(tmp_path):
    checkpoint_files.write_arrays(tmp_path, {"a/b": np.arange(3)})
    reader = tf.train.load_checkpoint(str(tmp_path / "arrays"))
    assert reader.get_variable_to_shape_map() == {"a/b": [3]}


def test_arrays_that_fit_together_share_a_part():
    arrays = {str(size): np.zeros(size, "int8") for size in (3, 2, 9, 1, 4, 1)}
    sizes = [
        [arrays[name].nbytes for name in names]
        for names in checkpoint_files._parts(arrays, 5)
    ]
    assert sizes == [[3, 2], [9], [1, 4]]


@pytest.fixture
def checkpoint(tmp_path):
    """The folder of a sound checkpoint."""
    arrays = {"kernel": np.arange(100.0)}
    checkpoint_files.write_arrays(tmp_path, arrays)
    files = checkpoint_files.seal_files(tmp_path)
    CheckpointManifest.of_now(7, None, {}, arrays, files).write(tmp_path)
    return tmp_path


def test_sizes_and_checksums_are_those_of_the_files(checkpoint):
    manifest = checkpoint_files.complete_manifest(checkpoint)
    assert manifest.files == {
        name: {
            "num_bytes": len((checkpoint / name).read_bytes()),
            "sha256": hashlib.sha256(
                (checkpoint / name).read_bytes()
            ).hexdigest(),
        }
        for name in ("arrays.index", "arrays.data-00000-of-00001")
    }


def test_a_sound_checkpoint_has_no_damage(checkpoint):
    assert checkpoint_files.find_damage(checkpoint) is None


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def remove(path):
    path.unlink()


def put_a_folder_there(path):
    path.unlink()
    path.mkdir()


DATA = "arrays.data-00000-of-00001"
DAMAGES = [
    ("manifest.json", remove, "is missing"),
    ("manifest.json", cut, "is cut short, changed or of another format"),
    (
        "manifest.json",
        flip_a_bit,
        "is cut short, changed or of another format",
    ),
    ("manifest.json", put_a_folder_there, "cannot be read ([Errno 21]"),
    (DATA, remove, "is missing"),
    (DATA, cut, "has another size than its manifest states"),
    (DATA, flip_a_bit, "has another sha256 than its manifest states"),
    ("arrays.index", remove, "is missing"),
    ("arrays.index", flip_a_bit, "has another sha256 than its manifest states"),
]


@pytest.mark.parametrize(("name", "damage", "text"), DAMAGES)
def test_damage_is_found_and_named(name, damage, text, checkpoint):
    damage(checkpoint / name)
    found = checkpoint_files.find_damage(checkpoint)
    assert found.startswith(f"{name} {text}")
    # What only a checksum tells costs a reading of every byte.
    looks_complete = damage is flip_a_bit and name != "manifest.json"
    manifest = checkpoint_files.complete_manifest(checkpoint)
    assert (manifest is not None) == looks_complete


def test_a_disk_that_fails_to_read_is_damage(checkpoint, monkeypatch):
    def fail(*arguments):
        raise OSError("Input/output error")

    monkeypatch.setattr(hashlib, "file_digest", fail)
    found = checkpoint_files.find_damage(checkpoint)
    assert found == f"{DATA} cannot be read (Input/output error)"
