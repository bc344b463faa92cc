import pytest

from keras_gpt3.planning.training_job import petaflop_days
from keras_gpt3.planning.training_job import training_days
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets


def test_days_are_steps_of_some_seconds():
    # 864 steps of 200 s.
    assert training_days(864e6, 10**6, step_seconds=200) == 2


@pytest.mark.parametrize("name", shipped_presets())
def test_table_d1_is_reproduced_from_its_own_flops(name):
    table = load_shipped_preset(name)["table_d1"]
    printed = table["petaflop_s_days"]
    assert petaflop_days(table["flops"]) == pytest.approx(printed, rel=5e-3)
