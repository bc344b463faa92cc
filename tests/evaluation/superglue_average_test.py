import pytest

from keras_gpt3.evaluation.results.report import superglue_averages
from keras_gpt3.evaluation.task_definitions.task_file import shipped_tasks
from keras_gpt3.evaluation.task_definitions.task_file import task_groups
from tests.evaluation.some_results import result

TASKS = [shipped_tasks()[name] for name in task_groups()["superglue"]]
PAIRS = [(task.name, metric) for task in TASKS for metric in task.metrics]


def results(**fields):
    return [result(task=t, metric=m, **fields) for t, m in PAIRS]


def test_a_task_counts_once_with_the_mean_of_its_metrics():
    values = {pair: 0.5 for pair in PAIRS}
    values["cb", "macro_f1"] = 0.9
    values["copa", "accuracy"] = 0.7
    found = [
        result(32, value, task=task, metric=metric)
        for (task, metric), value in values.items()
    ]
    (average,) = superglue_averages(found)
    assert (average.task, average.metric) == ("superglue", "average")
    assert (average.shots, average.mean_shots) == (32, 32.0)
    # cb has 0.7.
    assert average.value == pytest.approx(0.5 + (0.2 + 0.2) / 8)
    # Eight errors of 0.01: 0.01 * 8 ** 0.5 / 8.
    assert average.standard_error == pytest.approx(0.01 / 8**0.5)
    low, high = average.interval
    assert high - low == pytest.approx(2 * 1.96 * average.standard_error)
    assert average.num_examples == 8 * 1838


def test_each_model_k_and_seed_has_its_own():
    found = superglue_averages(
        [*results(), *results(shots=1), *results(model="other", seed=3)]
    )
    assert [(r.model, r.shots, r.seed) for r in found] == [
        ("mine", 0, 0),
        ("mine", 1, 0),
        ("other", 0, 3),
    ]


@pytest.mark.parametrize("missing", range(len(PAIRS)))
def test_without_one_of_them_there_is_none(missing):
    found = results()
    found[missing] = result(1, task=found[missing].task)
    assert superglue_averages(found) == []
