import types

import pytest

from keras_gpt3.planning.available_memory import accelerator_memory

jax = pytest.importorskip("jax")


@pytest.mark.parametrize(
    ("platform", "stats", "expected"),
    [
        ("gpu", {"bytes_limit": 70, "bytes_in_use": 1}, 70),
        ("tpu", {"bytes_limit": 16}, 16),
        ("cpu", {"bytes_limit": 70}, None),
        ("gpu", None, None),
        ("gpu", {}, None),
    ],
)
def test_an_accelerator_tells_what_jax_may_use(
    monkeypatch, platform, stats, expected
):
    device = types.SimpleNamespace(
        platform=platform, memory_stats=lambda: stats
    )
    monkeypatch.setattr(jax, "local_devices", lambda: [device])
    assert accelerator_memory() == expected
