"""Refuses Keras backends that the package cannot run on."""

import os


def check_backend():
    """Raises if Keras is set to a backend other than TensorFlow or JAX.

    Raises:
        ImportError: If `KERAS_BACKEND` names another backend.
    """
    # Read from the environment: importing Keras would already fail where the
    # backend is not installed.
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend not in ("tensorflow", "jax"):
        raise ImportError(
            "KERAS_BACKEND must be 'tensorflow' or 'jax' for keras_gpt3. "
            f"Received: KERAS_BACKEND={backend!r}. Set "
            "KERAS_BACKEND=tensorflow before Python starts."
        )


check_backend()
