import pytest

from keras_gpt3.layers import initializers


def test_deviations_are_those_of_gpt2():
    assert initializers.TOKEN_EMBEDDING == 0.02
    assert initializers.POSITION_EMBEDDING == 0.01
    assert initializers.KERNEL == 0.02


@pytest.mark.parametrize(
    ("num_layers", "deviation"), [(2, 0.01), (8, 0.005), (96, 0.0014434)]
)
def test_residual_kernels_shrink_with_the_root_of_the_depth(
    num_layers, deviation
):
    residual = initializers.residual_kernel(num_layers)
    assert residual == pytest.approx(deviation, rel=1e-4)
