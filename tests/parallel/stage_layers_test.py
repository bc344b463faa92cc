import pytest

from keras_gpt3.parallel.stage_layers import stage_layers


@pytest.mark.parametrize(
    ("num_layers", "stages", "lengths"),
    [(4, 1, [4]), (4, 2, [2, 2]), (5, 2, [2, 3]), (6, 4, [1, 1, 2, 2])],
)
def test_the_first_stages_are_the_shorter_ones(num_layers, stages, lengths):
    layers = stage_layers(num_layers, stages)
    assert [len(each) for each in layers] == lengths
    assert [i for each in layers for i in each] == list(range(num_layers))
