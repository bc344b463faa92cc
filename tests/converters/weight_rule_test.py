import numpy as np
import pytest

from keras_gpt3.converters.name_match import WeightRule


@pytest.mark.parametrize(
    ("names", "transposed", "shape", "expected"),
    [
        (("w",), False, (4, 6), (4, 6)),
        (("w",), True, (4, 6), (6, 4)),
        (("q", "k", "v"), False, (4, 6), (4, 2)),
        (("q", "k", "v"), True, (4, 6), (2, 4)),
        (("q", "k", "v"), False, (6,), (2,)),
    ],
)
def test_the_tensors_share_our_last_axis(names, transposed, shape, expected):
    rule = WeightRule("ours", names, transposed, shape)
    assert rule.shape_of_theirs == expected


# Two heads of width 2: our place of each of [queries | keys | values].
BY_HEAD = [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]


@pytest.mark.parametrize("names", [("qkv",), ("q", "k", "v")])
@pytest.mark.parametrize(("num_heads", "order"), [(1, range(12)), (2, BY_HEAD)])
def test_our_last_axis_goes_by_head(names, num_heads, order):
    rule = WeightRule("ours", names, shape=(4, 12), num_heads=num_heads)
    places = [rule.places(part) for part in range(len(names))]
    np.testing.assert_array_equal(np.concatenate(places), order)
    ours = np.random.default_rng(0).normal(size=(4, 12))
    for part, of_part in enumerate(places):
        np.testing.assert_array_equal(rule.take(ours, part), ours[:, of_part])
    theirs = [rule.take(ours, part) for part in range(len(names))]
    np.testing.assert_array_equal(rule.join(np.hstack(theirs)), ours)


def test_a_weight_of_one_tensor_keeps_its_order_at_any_width():
    rule = WeightRule("ours", ("w",), shape=(7,))
    array = np.arange(7)
    np.testing.assert_array_equal(rule.take(array, 0), array)
    np.testing.assert_array_equal(rule.join(array), array)
