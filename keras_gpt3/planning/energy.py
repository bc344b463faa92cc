"""The energy of training and of generation (section 6.3).

The paper gives "several thousand petaflop/s-days" for the training of 175B and
"on the order of 0.4 kW-hr" for 100 pages, without what these follow from. What
is assumed here is of Patterson et al. 2021, "Carbon Emissions and Large Neural
Network Training" (arXiv 2104.10350, Appendix A), who have it from OpenAI: a
V100 ran GPT-3 at 24.6 TFLOP/s and took 330 W with its share of the machine, and
the data center took 1.1 times what its machines did (PUE).
"""

import dataclasses

from keras_gpt3.argument_checks import check_number
from keras_gpt3.argument_checks import echoed

_JOULES_OF_KWH = 3.6e6
_PAGES = 100
# Our choice, as the paper names no length: 500 words, four tokens for three.
_PAGE_TOKENS = 667


@dataclasses.dataclass(frozen=True)
class EnergyAssumptions:
    """How many FLOP/s a device keeps up, and what power that takes.

    `pue` is what a data center takes over what its machines do.
    """

    sustained_flops: float = 24.6e12
    watts: float = 330.0
    pue: float = 1.1

    def __post_init__(self):
        for name in ("sustained_flops", "watts", "pue"):
            remedy = (
                f"Leave it out to use {getattr(EnergyAssumptions, name):g}."
            )
            check_number(name, getattr(self, name), remedy, "above 0")
        if self.pue < 1:
            raise ValueError(
                "pue must be at least 1, what the machines take themselves. "
                f"Received: pue={echoed(self.pue)}. Leave it out to use "
                f"{EnergyAssumptions.pue:g}."
            )

    def kilowatt_hours(self, flops):
        """Return the energy of a number of FLOPs, a float."""
        seconds = flops / self.sustained_flops
        return seconds * self.watts * self.pue / _JOULES_OF_KWH


def estimate_energy(num_parameters, total_tokens=None, **assumptions):
    """Estimate the energy of training, and of generating 100 pages.

    6 FLOPs a parameter and token to train and 2 to generate, as Table D.1
    counts; attention is left out. Generation is taken to keep devices as busy
    as training does, which only large batches do: less busy ones take more.
    """
    assumed = EnergyAssumptions(**assumptions)
    energy = {}
    if total_tokens is not None:
        flops = 6 * num_parameters * total_tokens
        energy["training"] = assumed.kilowatt_hours(flops)
    flops = 2 * num_parameters * _PAGES * _PAGE_TOKENS
    energy["pages"] = assumed.kilowatt_hours(flops)
    return energy


def energy_rows(num_parameters, total_tokens=None, **assumptions):
    """Lay out an estimate, and what it assumes, from label to text."""
    assumed = EnergyAssumptions(**assumptions)
    energy = estimate_energy(num_parameters, total_tokens, **assumptions)
    rows = {}
    if total_tokens is not None:
        label = f"to train on {total_tokens / 1e9:g}B tokens"
        rows[label] = format_energy(energy["training"])
    rows[f"to generate {_PAGES} pages, at least"] = format_energy(
        energy["pages"]
    )
    rows["tokens of a page, assumed"] = f"{_PAGE_TOKENS}"
    rows["FLOP/s of a device, assumed"] = (
        f"{assumed.sustained_flops / 1e12:g}e12"
    )
    rows["power of a device, assumed"] = f"{assumed.watts:g} W"
    rows["PUE of the data center, assumed"] = f"{assumed.pue:g}"
    return rows


def format_energy(kilowatt_hours):
    """Write an energy in three digits: 1.29 GWh, 0.0957 kWh."""
    for size, unit in ((1e6, "GWh"), (1e3, "MWh")):
        if kilowatt_hours >= size:
            return f"{kilowatt_hours / size:.3g} {unit}"
    return f"{kilowatt_hours:.3g} kWh"
