"""A process that says what device its Keras backend computes on."""

from harness.backend_device import gpu_facts
from harness.side_server import serve


def build():
    """Nothing to measure: a step that does nothing, and the facts."""
    return lambda: None, gpu_facts()


if __name__ == "__main__":
    serve(build, "keras-gpt3", "keras-hub", "keras", "tensorflow", "jax")
