import numpy as np
import pytest

from tests.ops.slow_attention import slow_attention


@pytest.mark.parametrize("window", [1, 3, None])
def test_gradients_of_the_oracle_equal_central_differences(window):
    generator = np.random.default_rng(0)
    *tensors, upstream = generator.normal(size=(4, 2, 5, 2, 3))
    mask = generator.random((2, 5)) < 0.7

    def total(tensors):
        output = slow_attention(*tensors, upstream, window, padding_mask=mask)[
            0
        ]
        return (output * upstream).sum()

    gradients = slow_attention(*tensors, upstream, window, padding_mask=mask)
    for which, gradient in enumerate(gradients[1:]):
        direction = generator.normal(size=gradient.shape)
        ahead, behind = (
            tensors[:which]
            + [tensors[which] + step * direction]
            + tensors[which + 1 :]
            for step in (1e-5, -1e-5)
        )
        slope = (total(ahead) - total(behind)) / 2e-5
        assert slope == pytest.approx((gradient * direction).sum(), abs=1e-8)
