"""Fits the laws by which loss falls with compute and with size to runs."""

import dataclasses

import numpy as np

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed

# How the floor is looked for.
_GRID = 64
_REFINEMENTS = 6


@dataclasses.dataclass(frozen=True)
class ScalingLaw:
    """Loss in nats per token: floor + a C^-b of compute C in PF-days.

    Or of a number of parameters N.
    """

    coefficient: float
    exponent: float
    floor: float = 0.0

    def loss(self, scale):
        """The loss at some compute, or some size."""
        return self.floor + self.coefficient * scale**-self.exponent


PAPER_LAW = ScalingLaw(2.57, 0.048)  # Figure 3.1
# Of models trained to convergence, without embeddings: Kaplan et al. 2020,
# which the paper builds on, equation 1.1: (8.8e13 / N)^0.076.
SIZE_LAW = ScalingLaw(8.8e13**0.076, 0.076)


def fit_law(scale, loss, irreducible=False):
    """Fit a law to points, by least squares on the logarithms."""
    scale, loss = np.log(scale), np.asarray(loss)
    if not irreducible:
        return _law(*_lines(scale, loss, np.zeros(1)), 0)
    low, high = 0.0, float(loss.min())
    for _ in range(_REFINEMENTS):
        # The end itself would be the logarithm of 0.
        floors = np.linspace(low, high, _GRID, endpoint=False)
        constants, slopes, _ = _lines(scale, loss, floors)
        above = np.exp(constants[:, None] + slopes[:, None] * scale)
        distances = np.log(floors[:, None] + above) - np.log(loss)
        best = int(np.argmin(np.sum(distances**2, axis=1)))
        step = floors[1] - floors[0]
        low = max(low, floors[best] - step)
        high = min(high, floors[best] + step)
    return _law(constants, slopes, floors, best)


def _lines(log_scale, loss, floors):
    """Regress the logarithm of the loss above each floor."""
    target = np.log(loss - floors[:, None])
    offsets = log_scale - log_scale.mean()
    slopes = target @ offsets / (offsets @ offsets)
    constants = target.mean(axis=1) - slopes * log_scale.mean()
    return constants, slopes, floors


def _law(constants, slopes, floors, index):
    return ScalingLaw(
        float(np.exp(constants[index])),
        float(-slopes[index]),
        float(floors[index]),
    )


# How fine the compute-efficient frontier is sampled.
_FRONTIER_POINTS = 50


@dataclasses.dataclass(frozen=True)
class ScalingFit:
    """A law, the points that it was fitted to, and how sure it is."""

    law: ScalingLaw
    scale: tuple
    loss: tuple
    intervals: dict
    resamples: tuple


def fit_runs(
    runs,
    points="last",
    irreducible=False,
    num_resamples=1000,
    seed=0,
):
    """Fit the law of loss over compute to runs.

    Least squares on the logarithms. The bootstrap draws whole runs, as points
    of one run are not independent evidence; with few runs its intervals are
    rough.
    """
    check_integer("seed", seed, minimum=0)
    _check(runs, points, irreducible)
    choose = {"last": last_points, "frontier": frontier_points}[points]
    _check_points(choose(runs)[0], irreducible)
    return _fit(runs, choose, irreducible, num_resamples, seed)


def fit_sizes(runs, irreducible=False, num_resamples=1000, seed=0):
    """Fit the law of loss at the end over parameters, as `fit_runs` does.

    Returns `None` where the runs have too few sizes for a law.
    """
    if len({run.num_parameters for run in runs}) < (4 if irreducible else 3):
        return None
    return _fit(runs, last_sizes, irreducible, num_resamples, seed)


def _fit(runs, choose, irreducible, num_resamples, seed):
    scale, loss = choose(runs)
    law = fit_law(scale, loss, irreducible)
    generator = np.random.default_rng(seed)
    needed = 3 if irreducible else 2
    resamples = []
    for _ in range(num_resamples):
        drawn = generator.integers(len(runs), size=len(runs))
        sample = choose([runs[index] for index in drawn])
        # Fewer points than unknowns say nothing.
        if len(np.unique(sample[0])) >= needed:
            resamples.append(fit_law(*sample, irreducible))
    names = ("coefficient", "exponent", "floor")[:needed]
    return ScalingFit(
        law,
        tuple(scale.tolist()),
        tuple(loss.tolist()),
        _intervals(resamples, names),
        tuple(resamples),
    )


def last_points(runs):
    """Pick the end of each run."""
    return (
        np.array([run.compute[-1] for run in runs]),
        np.array([run.losses[-1] for run in runs]),
    )


def last_sizes(runs):
    """Pick the parameters of each run, and its loss at its end."""
    return (
        np.array([float(run.num_parameters) for run in runs]),
        np.array([run.losses[-1] for run in runs]),
    )


def frontier_points(runs):
    """Pick the lowest loss that any run has, over compute.

    Before the first run has ended it is not known whether a larger one, or the
    same with a shorter decay, would have been as good: that part is left out.
    """
    ends = [run.compute[-1] for run in runs]
    if min(ends) == max(ends):
        return np.array([]), np.array([])
    compute = np.geomspace(min(ends), max(ends), _FRONTIER_POINTS)
    # Rounding must not put the end beyond the last run's.
    compute[0], compute[-1] = min(ends), max(ends)
    curves = [
        np.interp(
            np.log(compute),
            np.log(run.compute),
            np.log(run.losses),
            left=np.inf,
            right=np.inf,
        )
        for run in runs
    ]
    lowest = np.min(curves, axis=0)
    kept = np.isfinite(lowest)
    return compute[kept], np.exp(lowest[kept])


def _intervals(laws, names):
    intervals = {}
    for name in names:
        values = [getattr(law, name) for law in laws]
        low, high = np.percentile(values, [2.5, 97.5])
        intervals[name] = (float(low), float(high))
    return intervals


def _check(runs, points, irreducible):
    if points not in ("last", "frontier"):
        raise ValueError(
            "points must be 'last' or 'frontier'. Received: "
            f"points={echoed(points)}. Use 'last' for runs that were decayed."
        )
    needed = 4 if irreducible else 3
    if len(runs) < needed:
        floor = " with an irreducible loss" if irreducible else ""
        raise ValueError(
            f"A scaling law{floor} must be fitted to at least {needed} runs. "
            f"Received: {len(runs)}. Train models of further sizes."
        )
    ends = {float(run.compute[-1]) for run in runs}
    if len(ends) < needed:
        raise ValueError(
            f"A scaling law must be fitted to runs of at least {needed} "
            f"different computes. Received: {len(ends)}. Train models of "
            "further sizes, or for longer."
        )


def _check_points(compute, irreducible):
    needed = 4 if irreducible else 3
    if len(compute) < needed:
        raise ValueError(
            f"The frontier must have at least {needed} points, at which the "
            f"logs of runs overlap. Received: {len(compute)}. Validate more "
            "often, or fit to the last points."
        )
