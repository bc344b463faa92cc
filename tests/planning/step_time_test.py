import pytest

from keras_gpt3.planning import Links
from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.step_time import communication_seconds
from keras_gpt3.planning.step_time import pipeline_bubble
from keras_gpt3.planning.step_time import step_seconds
from keras_gpt3.planning.training_job import TrainingJob
from tests.planning.toy_config import TOY

# === Step time ===


LINKS = Links(node_devices=8, node_bandwidth=100.0, network_bandwidth=10.0)
NOTHING = dict.fromkeys(("activations", "gradients", "weights", "stages"), 0)


@pytest.fixture
def job():
    """A step of 8 s on one device."""
    job = TrainingJob(TOY, 8, 16, "bfloat16", 1.0, LINKS)
    rate = job.tokens * job.flops_per_token / 8
    return TrainingJob(TOY, 8, 16, "bfloat16", rate, LINKS)


def seconds(job, mesh, micro_batches=1, again=0.0, **sent):
    return step_seconds(job, mesh, micro_batches, again, NOTHING | sent)


def test_devices_share_the_products(job):
    assert seconds(job, Mesh(1)) == pytest.approx(8)
    assert seconds(job, Mesh(4)) == pytest.approx(2)
    assert seconds(job, Mesh(1), again=0.25) == pytest.approx(10)


def test_a_bubble_makes_a_step_longer(job):
    # 2 s of products are 4 of 5 parts.
    assert seconds(job, Mesh(1, 1, 4), 12) == pytest.approx(2.5)


def test_the_longest_stage_keeps_the_others_waiting(job):
    # 4 blocks in 3 stages, one of which has 2 of them.
    even = seconds(job, Mesh(1, 1, 4), 12) * 4 / 5 * 4 / 3
    assert seconds(job, Mesh(1, 1, 3), 10) == pytest.approx(
        even * 1.5 * 12 / 10
    )


def test_the_model_axis_and_stages_are_waited_for(job):
    assert seconds(job, Mesh(1, 2), activations=300) == pytest.approx(4 + 3)
    assert seconds(job, Mesh(4, 1, 2), stages=100) == pytest.approx(2 + 1)


def test_the_data_axis_hides_behind_half_of_the_products(job):
    # 4 s of products hide 2 s.
    assert seconds(job, Mesh(2), gradients=200) == pytest.approx(4)
    found = seconds(job, Mesh(2), gradients=200, weights=100)
    assert found == pytest.approx(4 + 1)


def test_a_ring_over_machines_is_slower(job):
    sent = dict.fromkeys(NOTHING, 100.0)
    near = communication_seconds(job, Mesh(4, 2), sent)
    assert near == dict.fromkeys(NOTHING, 1.0)
    far = communication_seconds(job, Mesh(4, 8), sent)
    assert far == near | {"gradients": 10.0, "weights": 10.0}
    assert communication_seconds(job, Mesh(2, 16), sent) == far | {
        "activations": 10.0
    }


# === Pipeline bubble ===


@pytest.mark.parametrize(
    ("stages", "micro_batches", "expected"),
    [(1, 1, 0), (1, 8, 0), (2, 1, 1 / 2), (4, 1, 3 / 4), (4, 12, 1 / 5)],
)
def test_the_bubble_is_what_a_stage_waits_for(stages, micro_batches, expected):
    assert pipeline_bubble(stages, micro_batches) == pytest.approx(expected)


def test_each_group_has_a_bubble_of_its_own():
    # Three groups of 7 in 2 stages; one place of the last stays empty.
    assert pipeline_bubble(2, 20) == pytest.approx(1 - 20 / 24)
    assert pipeline_bubble(2, 800) == pipeline_bubble(2, 8)


def test_more_micro_batches_shrink_it_up_to_a_group():
    bubbles = [pipeline_bubble(8, n) for n in (1, 2, 4, 32)]
    assert bubbles == sorted(bubbles, reverse=True)
    assert bubbles[-1] < 0.2
