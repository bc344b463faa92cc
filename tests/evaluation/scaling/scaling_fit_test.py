import dataclasses

import numpy as np
import pytest

from keras_gpt3.evaluation.scaling.scaling_fit import PAPER_LAW
from keras_gpt3.evaluation.scaling.scaling_fit import ScalingLaw
from keras_gpt3.evaluation.scaling.scaling_fit import fit_law
from keras_gpt3.evaluation.scaling.scaling_fit import fit_runs
from keras_gpt3.evaluation.scaling.scaling_fit import fit_sizes
from keras_gpt3.evaluation.scaling.scaling_fit import frontier_points
from keras_gpt3.evaluation.scaling.scaling_fit import last_points
from keras_gpt3.evaluation.scaling.scaling_runs import ScalingRun
from tests.evaluation.some_runs import LAW
from tests.evaluation.some_runs import SIZES
from tests.evaluation.some_runs import noisy_runs
from tests.evaluation.some_runs import some_run

# === Scaling fit ===


@pytest.mark.parametrize("points", ["last", "frontier"])
@pytest.mark.parametrize("seed", range(4))
def test_intervals_hold_the_law_that_made_noisy_runs(points, seed):
    fit = fit_runs(noisy_runs(seed), points, num_resamples=300)
    for name in ("coefficient", "exponent"):
        low, high = fit.intervals[name]
        assert low < getattr(fit.law, name) < high
        assert low <= getattr(LAW, name) <= high
        # A frontier suffers more where the bootstrap leaves a run out.
        assert high - low < (0.1 if points == "last" else 0.4) * high


def test_intervals_hold_the_floor_that_made_noisy_runs():
    law = ScalingLaw(1.0, 0.3, 1.5)
    fit = fit_runs(noisy_runs(0, law), irreducible=True, num_resamples=50)
    low, high = fit.intervals["floor"]
    assert low <= 1.5 <= high


def test_the_last_points_are_where_runs_end():
    runs = [some_run(size) for size in SIZES[:3]]
    compute, loss = last_points(runs)
    assert compute.tolist() == [run.compute[-1] for run in runs]
    assert loss == pytest.approx(LAW.loss(compute))


@pytest.mark.parametrize("irreducible", [False, True])
def test_the_law_over_parameters_is_that_of_the_ends(irreducible):
    law = ScalingLaw(12.0, 0.08, 1.5 * irreducible)
    ends = [float(law.loss(size)) for size in SIZES]
    runs = [
        ScalingRun("run", size, (1.0, 2.0), (9.0, end), "validation")
        for size, end in zip(SIZES, ends, strict=True)
    ]
    fit = fit_sizes(runs, irreducible, num_resamples=20)
    assert fit.law.exponent == pytest.approx(0.08, rel=1e-3)
    assert fit.law.floor == pytest.approx(law.floor, abs=1e-3)
    low, high = fit.intervals["exponent"]
    assert low <= fit.law.exponent * (1 + 1e-9)
    assert high >= fit.law.exponent * (1 - 1e-9)


def test_runs_of_two_sizes_have_no_law_over_parameters():
    runs = [some_run(size) for size in SIZES[:2]]
    assert fit_sizes([*runs, runs[0]]) is None


def slow_frontier(runs, compute):
    """The lowest loss at a compute, read off each run's two points around."""
    losses = []
    for run in runs:
        pairs = list(zip(run.compute, run.losses, strict=True))
        for (c0, l0), (c1, l1) in zip(pairs, pairs[1:], strict=False):
            if c0 <= compute <= c1:
                share = np.log(compute / c0) / np.log(c1 / c0)
                losses.append(l0 ** (1 - share) * l1**share)
    return min(losses)


def test_the_frontier_is_the_lowest_loss_at_each_compute():
    runs = noisy_runs(0)
    compute, loss = frontier_points(runs)
    assert compute[0] == min(run.compute[-1] for run in runs)
    assert compute[-1] == max(run.compute[-1] for run in runs)
    expected = [slow_frontier(runs, c) for c in compute]
    assert loss == pytest.approx(expected)


def test_early_training_is_no_part_of_the_frontier():
    run = some_run(SIZES[0])
    early = ScalingRun("a", run.num_parameters, (1.0,), (11.0,), "validation")
    runs = [run, some_run(SIZES[1]), some_run(SIZES[2])]
    early = ScalingRun(
        "a",
        run.num_parameters,
        early.tokens + run.tokens,
        early.losses + run.losses,
        "validation",
    )
    before, after = fit_runs(runs), fit_runs([early, *runs[1:]])
    assert before.law == after.law
    before = fit_runs(runs, "frontier")
    after = fit_runs([early, *runs[1:]], "frontier")
    assert before.law == after.law


def test_a_seed_makes_the_same_intervals():
    runs = noisy_runs(0)[:3]
    fits = [fit_runs(runs, num_resamples=20, seed=s) for s in (1, 1, 2)]
    assert fits[0] == fits[1]
    assert fits[0].law == fits[2].law
    assert fits[0].intervals != fits[2].intervals


@pytest.mark.parametrize(
    "count, options, message",
    [
        (2, {}, "A scaling law must be fitted to at least 3 runs. Received: 2"),
        (
            3,
            {"irreducible": True},
            "A scaling law with an irreducible loss must be fitted to at least "
            "4 runs. Received: 3. Train models of further sizes.",
        ),
        (3, {"points": "all"}, "points must be 'last' or 'frontier'. Received"),
    ],
)
def test_too_few_runs_or_other_points_raise(count, options, message):
    with pytest.raises(ValueError) as caught:
        fit_runs(noisy_runs(0)[:count], **options)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("points", ["last", "frontier"])
def test_runs_of_one_compute_raise(points):
    with pytest.raises(ValueError) as caught:
        fit_runs([some_run(SIZES[0])] * 3, points)
    assert str(caught.value) == (
        "A scaling law must be fitted to runs of at least 3 different "
        "computes. Received: 1. Train models of further sizes, or for longer."
    )


def test_a_frontier_of_runs_with_single_losses_raises():
    runs = [
        dataclasses.replace(run, tokens=run.tokens[-1:], losses=run.losses[-1:])
        for run in noisy_runs(0)
    ]
    assert fit_runs(runs, num_resamples=20).law.exponent > 0
    with pytest.raises(ValueError) as caught:
        fit_runs(runs, "frontier")
    assert str(caught.value) == (
        "The frontier must have at least 3 points, at which the logs of runs "
        "overlap. Received: 2. Validate more often, or fit to the last points."
    )


# === Scaling law ===


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
