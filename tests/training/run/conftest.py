import pytest


@pytest.fixture
def clusters():
    """A list of clusters, which are killed at the end."""
    started = []
    yield started
    for cluster in started:
        cluster.kill()
