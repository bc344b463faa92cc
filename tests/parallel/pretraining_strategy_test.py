import json
import re
import types

import pytest
import tensorflow as tf

from keras_gpt3.parallel.replicas import is_chief
from keras_gpt3.parallel.replicas import num_workers
from keras_gpt3.parallel.replicas import pretraining_strategy

pytestmark = pytest.mark.backend("tensorflow", reason="`tf.distribute`")

WORKERS = {"worker": ["a:1", "b:1"]}


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)


def set_cluster(monkeypatch, cluster, kind="worker", index=0):
    task = {"type": kind, "index": index}
    text = json.dumps({"cluster": cluster, "task": task})
    monkeypatch.setenv("TF_CONFIG", text)


def raises(message):
    return pytest.raises(ValueError, match=f"^{re.escape(message)}$")


# === One machine ===


@pytest.mark.parametrize("arguments", [{"replicas": 1}, {"cpu_replicas": 1}])
def test_a_single_device_needs_no_strategy_of_its_own(arguments):
    assert pretraining_strategy(**arguments) is tf.distribute.get_strategy()


@pytest.mark.parametrize("arguments", [{"replicas": 2}, {"cpu_replicas": 2}])
def test_several_devices_of_one_machine_are_mirrored(arguments):
    strategy = pretraining_strategy(**arguments)
    assert isinstance(strategy, tf.distribute.MirroredStrategy)
    assert strategy.num_replicas_in_sync == 2


def test_a_cluster_of_one_worker_is_one_machine(monkeypatch):
    set_cluster(monkeypatch, {"worker": ["a:1"]})
    strategy = pretraining_strategy(cpu_replicas=1)
    assert strategy is tf.distribute.get_strategy()


# === Several ===


@pytest.mark.parametrize(
    "cluster, expected",
    [
        ({"worker": ["a:1"]}, 1),
        (WORKERS, 2),
        ({"chief": ["a:1"], "worker": ["b:1", "c:1"]}, 3),
        ({"worker": ["a:1", "b:1"], "evaluator": ["c:1"]}, 2),
    ],
)
def test_workers_are_counted(cluster, expected, monkeypatch):
    assert num_workers() == 1
    set_cluster(monkeypatch, cluster)
    assert num_workers() == expected


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        "[]",
        "3",
        '{"cluster": {}}',
        '{"cluster": {"ps": ["a:1"]}}',
        '{"cluster": ["a:1"]}',
        '{"cluster": {"worker": 2}}',
        '{"cluster": {"worker": [2]}}',
        '{"cluster": {"worker": "a:1"}}',
        '{"cluster": {"worker": null}}',
    ],
)
def test_a_malformed_cluster_raises(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    message = (
        "TF_CONFIG must be JSON with the workers of a cluster. Received: "
        f"TF_CONFIG={text!r}. Write it as TensorFlow documents it, or unset it."
    )
    for function in (num_workers, pretraining_strategy):
        with raises(message):
            function()


@pytest.fixture
def cluster(monkeypatch):
    """Two workers, whose strategy is not begun; the GPUs that are visible."""
    set_cluster(monkeypatch, WORKERS)
    visible = []
    monkeypatch.setattr(
        tf.distribute, "MultiWorkerMirroredStrategy", lambda: "workers"
    )
    monkeypatch.setattr(
        tf.config,
        "set_visible_devices",
        lambda devices, kind: visible.append((devices, kind)),
    )
    return visible


def set_gpus(monkeypatch, gpus):
    monkeypatch.setattr(
        tf.config,
        "get_visible_devices",
        lambda kind: gpus if kind == "GPU" else ["cpu"],
    )


@pytest.mark.parametrize(
    "gpus, replicas, expected",
    [
        (["g0", "g1", "g2"], None, []),
        (["g0", "g1", "g2"], 2, [(["g0", "g1"], "GPU")]),
        ([], None, []),
        ([], 1, []),
    ],
)
def test_each_worker_leaves_tensorflow_the_gpus_asked_for(
    gpus, replicas, expected, cluster, monkeypatch
):
    set_gpus(monkeypatch, gpus)
    assert pretraining_strategy(replicas) == "workers"
    assert cluster == expected


@pytest.mark.parametrize(
    "gpus, arguments, name, value, devices, what",
    [
        (["g0"], (2,), "replicas", 2, 1, "GPUs of a worker"),
        (["g0"], (0,), "replicas", 0, 1, "GPUs of a worker"),
        ([], (2,), "replicas", 2, 1, "CPUs that a worker has to TensorFlow"),
        (
            [],
            (None, 2),
            "cpu_replicas",
            2,
            1,
            "CPUs that a worker has to TensorFlow",
        ),
    ],
)
def test_more_devices_than_a_worker_has_raise(
    gpus, arguments, name, value, devices, what, cluster, monkeypatch
):
    set_gpus(monkeypatch, gpus)
    message = (
        f"{name} must be from 1 to the number of {what}. Received: {name}="
        f"{value}, devices={devices}. Leave it out to use all of them."
    )
    with raises(message):
        pretraining_strategy(*arguments)


def test_gpus_make_the_number_for_cpus_idle(cluster, monkeypatch):
    set_gpus(monkeypatch, ["g0", "g1"])
    assert pretraining_strategy(cpu_replicas=4) == "workers"


# === Who writes ===


def strategy_of(kind, index, jobs):
    resolver = types.SimpleNamespace(
        task_type=kind,
        task_id=index,
        cluster_spec=lambda: types.SimpleNamespace(jobs=jobs),
    )
    return types.SimpleNamespace(cluster_resolver=resolver)


@pytest.mark.parametrize(
    "kind, index, jobs, expected",
    [
        ("worker", 0, ["worker"], True),
        ("worker", 1, ["worker"], False),
        ("chief", 0, ["chief", "worker"], True),
        ("worker", 0, ["chief", "worker"], False),
        ("evaluator", 0, ["worker"], False),
        (None, None, [], True),
        ("", 0, [], True),
    ],
)
def test_one_worker_of_a_cluster_is_its_chief(kind, index, jobs, expected):
    assert is_chief(strategy_of(kind, index, jobs)) is expected


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_machine_of_its_own_is_its_chief(replicas):
    assert is_chief(pretraining_strategy(replicas))
