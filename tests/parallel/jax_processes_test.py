import re

import pytest

from keras_gpt3.parallel.jax_processes import start_jax

pytest.importorskip("jax")


@pytest.mark.parametrize(
    "number, place, message",
    [
        (
            "two",
            "0",
            "KERAS_DISTRIBUTION_NUM_PROCESSES must be a number where "
            "KERAS_DISTRIBUTION_JOB_ADDRESSES is set. Received: "
            "KERAS_DISTRIBUTION_NUM_PROCESSES='two'. Set all three.",
        ),
        (
            "2",
            None,
            "KERAS_DISTRIBUTION_PROCESS_ID must be a number where "
            "KERAS_DISTRIBUTION_JOB_ADDRESSES is set. Received: "
            "KERAS_DISTRIBUTION_PROCESS_ID=None. Set all three.",
        ),
        (
            "0",
            "0",
            "KERAS_DISTRIBUTION_PROCESS_ID must be from 0 to one less than "
            "KERAS_DISTRIBUTION_NUM_PROCESSES. Received: 0 of 0 processes. "
            "Number them from 0.",
        ),
        (
            "2",
            "2",
            "KERAS_DISTRIBUTION_PROCESS_ID must be from 0 to one less than "
            "KERAS_DISTRIBUTION_NUM_PROCESSES. Received: 2 of 2 processes. "
            "Number them from 0.",
        ),
    ],
)
def test_variables_that_name_no_process_raise(
    monkeypatch, number, place, message
):
    values = {
        "JOB_ADDRESSES": "localhost:1",
        "NUM_PROCESSES": number,
        "PROCESS_ID": place,
    }
    for name, value in values.items():
        if value is not None:
            monkeypatch.setenv(f"KERAS_DISTRIBUTION_{name}", value)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        start_jax(1)
