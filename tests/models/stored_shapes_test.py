import re

import pytest

from keras_gpt3.models.presets.weight_of_path import check_stored_shapes

SAVED = {"num_layers": 2, "hidden_dim": 16, "position_offset": 2}


@pytest.mark.parametrize(
    "overrides", [{}, {"dropout": 0.1}, {"num_layers": 2, "position_offset": 2}]
)
def test_overrides_that_change_no_shape_pass(overrides):
    check_stored_shapes(SAVED, overrides)


@pytest.mark.parametrize(
    ("overrides", "received", "stored"),
    [
        (
            {"num_layers": 3, "dropout": 0.1, "hidden_dim": 8},
            "num_layers=3, hidden_dim=8",
            "num_layers=2, hidden_dim=16",
        ),
        ({"position_offset": 0}, "position_offset=0", "position_offset=2"),
    ],
)
def test_overrides_that_change_a_shape_raise(overrides, received, stored):
    message = (
        "Overrides must not change the shape of stored weights. Received: "
        f"{received} where the preset has {stored}. Pass load_weights=False "
        "to start from new weights."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_stored_shapes(SAVED, overrides)
