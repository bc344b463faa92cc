import keras
import pytest

from keras_gpt3.parallel.variable_layouts import check_shards_divide
from keras_gpt3.parallel.variable_layouts import num_data_shards
from tests.parallel.meshes import device_mesh
from tests.parallel.meshes import distributed


def test_without_a_distribution_a_batch_is_whole():
    assert num_data_shards() == 1


@pytest.mark.backend("jax", reason="others distribute nothing")
def test_counts_the_batch_axis():
    with distributed((2, 4)):
        assert num_data_shards() == 2
    distribution = keras.distribution.DataParallel(
        device_mesh=device_mesh((3,), ("batch",))
    )
    with distribution.scope():
        assert num_data_shards() == 3


def test_parts_divide_the_rows():
    check_shards_divide(num_shards=2, rows=4)
    message = "rows=5, batch_axis=4. Use a batch size of 8, or drop"
    with pytest.raises(ValueError, match=message):
        check_shards_divide(num_shards=4, rows=5)
