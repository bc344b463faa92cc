import pytest

from keras_gpt3.converters.weight_rule import WeightRule


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
