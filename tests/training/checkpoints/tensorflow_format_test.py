import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.training.checkpoints import tensorflow_format

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
    tensorflow_format.write_arrays(tmp_path, arrays, part_bytes)
    found = tensorflow_format.read_arrays(tmp_path, arrays)
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
    tensorflow_format.write_arrays(tmp_path, arrays)
    found = tensorflow_format.read_arrays(tmp_path, arrays)
    assert all(same(found[name], arrays[name]) for name in arrays)


def test_tensorflow_s_own_reader_reads_the_arrays(tmp_path):
    tensorflow_format.write_arrays(tmp_path, {"a/b": np.arange(3)})
    reader = tf.train.load_checkpoint(str(tmp_path / "arrays"))
    assert reader.get_variable_to_shape_map() == {"a/b": [3]}


def test_arrays_that_fit_together_share_a_part():
    arrays = {str(size): np.zeros(size, "int8") for size in (3, 2, 9, 1, 4, 1)}
    sizes = [
        [arrays[name].nbytes for name in names]
        for names in tensorflow_format._parts(arrays, 5)
    ]
    assert sizes == [[3, 2], [9], [1, 4]]
