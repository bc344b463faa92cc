"""The law by which loss falls with compute: L = a C^-b."""

import dataclasses

import numpy as np

# How the floor is looked for.
_GRID = 64
_REFINEMENTS = 6


@dataclasses.dataclass(frozen=True)
class ScalingLaw:
    """Loss in nats per token of compute C in PF-days: floor + a C^-b."""

    coefficient: float
    exponent: float
    floor: float = 0.0

    def loss(self, compute):
        """The loss at some compute."""
        return self.floor + self.coefficient * compute**-self.exponent


PAPER_LAW = ScalingLaw(2.57, 0.048)  # Figure 3.1


def fit_law(compute, loss, irreducible=False):
    """Fits a law to points, by least squares on the logarithms."""
    compute, loss = np.log(compute), np.asarray(loss)
    if not irreducible:
        return _law(*_lines(compute, loss, np.zeros(1)), 0)
    low, high = 0.0, float(loss.min())
    for _ in range(_REFINEMENTS):
        # The end itself would be the logarithm of 0.
        floors = np.linspace(low, high, _GRID, endpoint=False)
        constants, slopes, _ = _lines(compute, loss, floors)
        above = np.exp(constants[:, None] + slopes[:, None] * compute)
        distances = np.log(floors[:, None] + above) - np.log(loss)
        best = int(np.argmin(np.sum(distances**2, axis=1)))
        step = floors[1] - floors[0]
        low = max(low, floors[best] - step)
        high = min(high, floors[best] + step)
    return _law(constants, slopes, floors, best)


def _lines(log_compute, loss, floors):
    """Regresses the logarithm of the loss above each floor."""
    target = np.log(loss - floors[:, None])
    offsets = log_compute - log_compute.mean()
    slopes = target @ offsets / (offsets @ offsets)
    constants = target.mean(axis=1) - slopes * log_compute.mean()
    return constants, slopes, floors


def _law(constants, slopes, floors, index):
    return ScalingLaw(
        float(np.exp(constants[index])),
        float(-slopes[index]),
        float(floors[index]),
    )
