import numpy as np

from keras_gpt3.ops.attention_shapes import by_head


def test_a_row_lies_under_its_head_and_again_under_its_position():
    x = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    swapped = by_head(x)
    assert swapped.shape == (2, 4, 3, 5)
    for b, t, h in np.ndindex(2, 3, 4):
        np.testing.assert_array_equal(swapped[b, h, t], x[b, t, h])
    np.testing.assert_array_equal(by_head(swapped), x)
