import re

import pytest

from keras_gpt3.planning import Links
from keras_gpt3.planning import recomputation_share
from keras_gpt3.planning.training_job import SUSTAINED_FLOPS
from keras_gpt3.planning.training_job import TrainingJob
from keras_gpt3.planning.training_job import model_flops_per_token
from tests.planning.toy_config import TOY


def test_a_job_knows_its_tokens_and_their_arithmetic():
    job = TrainingJob(TOY, 6, 8, "bfloat16")
    assert job.tokens == 48
    assert job.flops_per_token == model_flops_per_token(TOY, 8)
    assert job.recomputation("block") == recomputation_share(TOY, "block", 8)
    sizes = job.sizes(2, "block")
    assert (sizes.tokens, sizes.activation_bytes) == (16, 2)
    assert sizes.recomputed == (True,) * 4


def test_what_is_not_said_is_assumed():
    job = TrainingJob(TOY, 6, 8, "bfloat16")
    assert job.sustained_flops == SUSTAINED_FLOPS == 125e12
    assert job.links == Links()
    told = TrainingJob(TOY, 6, 8, "bfloat16", 1e12, Links(4))
    assert told.sustained_flops == 1e12
    assert told.links.node_devices == 4


@pytest.mark.parametrize("value", [0, -1e12, float("nan")])
def test_a_rate_that_is_none_raises(value):
    message = (
        "sustained_flops must be above 0. Received: sustained_flops="
        f"{value!r}. Leave it out to use 1.25e+14 FLOP/s."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        TrainingJob(TOY, 6, 8, "bfloat16", value)
