"""What is costly to trace, made once for all tests of the folder."""

import types

import pytest


@pytest.fixture(scope="session")
def talker():
    """A model of strings with room for 40 tokens, and its signatures."""
    # Inside: what hands tests out loads this file, and needs no TensorFlow.
    from tests.export.traced_endpoints import TracedEndpoints
    from tests.export.traced_endpoints import lively_text_model

    model = lively_text_model(max_sequence_length=40)
    return types.SimpleNamespace(model=model, call=TracedEndpoints(model))
