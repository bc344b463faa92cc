"""The law by which loss falls with compute: L = a C^-b."""

import dataclasses

import numpy as np

from keras_gpt3.integer_argument import check_integer

# How fine the compute-efficient frontier is sampled.
_FRONTIER_POINTS = 50
_GRID = 64
_REFINEMENTS = 6


@dataclasses.dataclass(frozen=True)
class ScalingLaw:
    """Loss in nats per token of compute C in PF-days: floor + a C^-b.

    Args:
        coefficient: float. `a`, the loss above the floor at one PF-day.
        exponent: float. `b`.
        floor: float. What no compute takes away. Defaults to `0.0`, as in the
            paper.

    Example:

    ```python
    from keras_gpt3.evaluation.scaling_fit import PAPER_LAW

    PAPER_LAW.loss(3640)  # 1.73, of the largest model
    ```
    """

    coefficient: float
    exponent: float
    floor: float = 0.0

    def loss(self, compute):
        """The loss at some compute.

        Args:
            compute: float or array of floats. In PF-days.

        Returns:
            A float or array of floats.
        """
        return self.floor + self.coefficient * compute**-self.exponent


PAPER_LAW = ScalingLaw(2.57, 0.048)  # Figure 3.1


@dataclasses.dataclass(frozen=True)
class ScalingFit:
    """A law, the points that it was fitted to, and how sure it is.

    Args:
        law: `ScalingLaw`.
        compute: tuple of floats. PF-days of the points.
        loss: tuple of floats. Their losses.
        intervals: dict from `"coefficient"`, `"exponent"` and, if it was
            fitted, `"floor"` to a pair of floats: the bootstrap's 95%.
        resamples: tuple of `ScalingLaw`. Those of the bootstrap.

    Example:

    ```python
    from keras_gpt3.evaluation.scaling_fit import ScalingFit
    from keras_gpt3.evaluation.scaling_fit import ScalingLaw

    law = ScalingLaw(3.0, 0.06)
    intervals = {"coefficient": (2.9, 3.1), "exponent": (0.05, 0.07)}
    ScalingFit(law, (1.0, 10.0), (3.0, 2.61), intervals, (law,))
    ```
    """

    law: ScalingLaw
    compute: tuple
    loss: tuple
    intervals: dict
    resamples: tuple


def fit_runs(
    runs, points="last", irreducible=False, num_resamples=1000, seed=0
):
    """Fits a scaling law to runs.

    Least squares on the logarithms. The bootstrap draws whole runs, as points
    of one run are no independent evidence; with few runs its intervals are
    rough.

    Args:
        runs: list of `ScalingRun`, at least 3.
        points: string. `"last"` takes the last point of each run, for runs
            whose learning rate was decayed. `"frontier"` takes the lowest loss
            that any run has at a compute, from the end of the run that ends
            first to that of the one that ends last: the compute-efficient
            frontier. It lies above the law where sizes are far apart.
            Defaults to `"last"`.
        irreducible: bool. Whether the law has a floor. It needs 4 runs.
            Defaults to `False`, as in the paper.
        num_resamples: int. Defaults to `1000`.
        seed: int. Of the bootstrap. Defaults to `0`.

    Returns:
        A `ScalingFit`.

    Raises:
        ValueError: If there are too few runs or points, `points` is another,
            or `seed` is below 0.

    Example:

    ```python
    from keras_gpt3.evaluation.scaling_fit import fit_runs
    from keras_gpt3.evaluation.scaling_runs import ScalingRun

    runs = [
        ScalingRun(f"run {n}", n, (1e9,), (9 * n**-0.05,), "validation")
        for n in (10**6, 10**7, 10**8)
    ]
    fit_runs(runs).law.exponent  # 0.05
    ```
    """
    check_integer("seed", seed, minimum=0)
    _check(runs, points, irreducible)
    choose = {"last": last_points, "frontier": frontier_points}[points]
    compute, loss = choose(runs)
    _check_points(compute, irreducible)
    law = fit_law(compute, loss, irreducible)
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
        tuple(compute.tolist()),
        tuple(loss.tolist()),
        _intervals(resamples, names),
        tuple(resamples),
    )


def last_points(runs):
    """Picks the end of each run.

    Args:
        runs: list of `ScalingRun`.

    Returns:
        A pair of arrays, compute and loss.
    """
    return (
        np.array([run.compute[-1] for run in runs]),
        np.array([run.losses[-1] for run in runs]),
    )


def frontier_points(runs):
    """Picks the lowest loss that any run has, over compute.

    Before the first run has ended nobody knows whether a larger one, or the
    same with a shorter decay, would have been as good: that part is left out.

    Args:
        runs: list of `ScalingRun`.

    Returns:
        A pair of arrays, compute and loss, empty where all runs end at one
        compute.
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


def fit_law(compute, loss, irreducible=False):
    """Fits a law to points, by least squares on the logarithms.

    Args:
        compute: array of floats.
        loss: array of floats.
        irreducible: bool. Whether the law has a floor: the one, of a grid
            that is refined, with which the law is nearest. Defaults to
            `False`.

    Returns:
        A `ScalingLaw`.

    Example:

    ```python
    import numpy as np

    from keras_gpt3.evaluation.scaling_fit import fit_law

    compute = np.array([1.0, 10.0, 100.0])
    fit_law(compute, 3 * compute**-0.1)  # a = 3, b = 0.1
    ```
    """
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
            f"points={points!r}. Use 'last' for runs that were decayed."
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
