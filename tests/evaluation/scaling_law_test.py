import numpy as np
import pytest

from keras_gpt3.evaluation.scaling.scaling_fit import PAPER_LAW
from keras_gpt3.evaluation.scaling.scaling_fit import ScalingLaw
from keras_gpt3.evaluation.scaling.scaling_fit import fit_law
from tests.evaluation.some_runs import LAW

COMPUTE = np.geomspace(1e-6, 1e2, 9)


def test_the_paper_s_law_is_figure_3_1_s():
    assert PAPER_LAW == ScalingLaw(2.57, 0.048, 0.0)
    assert PAPER_LAW.loss(1.0) == 2.57
    assert PAPER_LAW.loss(3640) == pytest.approx(1.734, abs=1e-3)


@pytest.mark.parametrize("law", [PAPER_LAW, LAW])
def test_a_law_without_noise_is_found(law):
    found = fit_law(COMPUTE, law.loss(COMPUTE))
    assert found.coefficient == pytest.approx(law.coefficient, rel=1e-9)
    assert found.exponent == pytest.approx(law.exponent, rel=1e-9)
    assert found.floor == 0


@pytest.mark.parametrize("floor", [0.0, 0.3, 1.7])
def test_a_floor_without_noise_is_found(floor):
    law = ScalingLaw(1.5, 0.15, floor)
    found = fit_law(COMPUTE, law.loss(COMPUTE), irreducible=True)
    # As fine as the grid of floors is refined.
    assert found.floor == pytest.approx(floor, abs=1e-5)
    assert found.exponent == pytest.approx(0.15, rel=1e-4)
