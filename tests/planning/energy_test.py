import pytest

from keras_gpt3.planning import describe
from keras_gpt3.planning.energy import energy_rows
from keras_gpt3.planning.energy import estimate_energy
from keras_gpt3.planning.energy import format_energy

NUM_PARAMETERS = 174_604_259_328


def test_training_takes_what_patterson_et_al_have_for_gpt_3():
    # Their Table 4: 1,287 MWh, of the 3.14e23 FLOPs of Table D.1.
    energy = describe("gpt3_175b_en").energy()
    assert energy["training"] / 1e3 == pytest.approx(1287, rel=2e-3)


def test_pages_take_no_more_than_the_paper_s_order():
    energy = describe("gpt3_175b_en").energy()
    # 2 FLOPs for each parameter and each of 66,700 tokens, by hand.
    joules = 2 * 174.6e9 * 66_700 / 24.6e12 * 330 * 1.1
    assert energy["pages"] == pytest.approx(joules / 3.6e6, rel=1e-3)
    assert 0.04 < energy["pages"] < 0.4
    # At the speed that the guide names it is the paper's figure.
    slow = describe("gpt3_175b_en").energy(sustained_flops=5.9e12)
    assert slow["pages"] == pytest.approx(0.4, rel=0.01)


@pytest.mark.parametrize(
    ("assumption", "factor"),
    [
        ({"sustained_flops": 12.3e12}, 2),
        ({"watts": 660}, 2),
        ({"pue": 2.2}, 2),
        ({"watts": 165, "sustained_flops": 49.2e12}, 0.25),
    ],
)
def test_what_is_assumed_scales_both(assumption, factor):
    usual = estimate_energy(NUM_PARAMETERS, 300e9)
    found = estimate_energy(NUM_PARAMETERS, 300e9, **assumption)
    assert found == {
        name: pytest.approx(factor * value) for name, value in usual.items()
    }


def test_a_model_without_a_recipe_is_generated_with_alone():
    assert estimate_energy(NUM_PARAMETERS).keys() == {"pages"}
    description = describe("gpt2_base_en")
    assert description.total_tokens is None
    assert description.energy().keys() == {"pages"}
    assert "to train on" not in "".join(energy_rows(NUM_PARAMETERS))


def test_the_rows_say_what_is_assumed():
    rows = energy_rows(NUM_PARAMETERS, 300e9, watts=400, pue=1.25)
    assert rows == {
        "to train on 300B tokens": "1.77 GWh",
        "to generate 100 pages, at least": "0.132 kWh",
        "tokens of a page, assumed": "667",
        "FLOP/s of a device, assumed": "24.6e12",
        "power of a device, assumed": "400 W",
        "PUE of the data center, assumed": "1.25",
    }


@pytest.mark.parametrize(
    ("energy", "text"),
    [
        (1_287_000, "1.29 GWh"),
        (1287, "1.29 MWh"),
        (999, "999 kWh"),
        (0.0955, "0.0955 kWh"),
        (0.0000686, "6.86e-05 kWh"),
    ],
)
def test_an_energy_is_written_in_a_unit_that_suits_it(energy, text):
    assert format_energy(energy) == text


@pytest.mark.parametrize(
    ("assumption", "message"),
    [
        (
            {"watts": 0},
            "^watts must be a finite number above 0. Received: watts=0. Leave "
            "it out to use 330.$",
        ),
        ({"sustained_flops": -1}, "Leave it out to use 2.46e[+]13"),
        ({"pue": float("nan")}, "pue must be a finite number"),
        (
            {"pue": 0.9},
            "^pue must be at least 1, what the machines take themselves. "
            "Received: pue=0.9. Leave it out to use 1.1.$",
        ),
    ],
)
def test_what_cannot_be_raises(assumption, message):
    with pytest.raises(ValueError, match=message):
        estimate_energy(1, **assumption)
