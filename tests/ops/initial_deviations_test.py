import pytest

from keras_gpt3.ops import initial_deviations


def test_deviations_are_those_of_gpt2():
    assert initial_deviations.TOKEN_EMBEDDING == 0.02
    assert initial_deviations.POSITION_EMBEDDING == 0.01
    assert initial_deviations.KERNEL == 0.02


@pytest.mark.parametrize(
    ("num_layers", "deviation"), [(2, 0.01), (8, 0.005), (96, 0.0014434)]
)
def test_residual_kernels_shrink_with_the_root_of_the_depth(
    num_layers, deviation
):
    residual = initial_deviations.residual_kernel(num_layers)
    assert residual == pytest.approx(deviation, rel=1e-4)
