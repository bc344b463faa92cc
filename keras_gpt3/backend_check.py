"""Refuses Keras backends that the package, or a part of it, cannot run on."""

import os

from keras_gpt3.argument_checks import echoed


def check_backend():
    """Raise if Keras is set to a backend other than TensorFlow or JAX."""
    # Read from the environment: importing Keras would already fail where the
    # backend is not installed.
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend not in ("tensorflow", "jax", "torch"):
        raise ImportError(
            "KERAS_BACKEND must be 'tensorflow' or 'jax' for keras_gpt3. "
            f"Received: KERAS_BACKEND={echoed(backend)}. Set "
            "KERAS_BACKEND=tensorflow before Python starts."
        )


def require_backend(backend, what, remedy):
    """Raise if Keras runs on another backend than a part of the package."""
    import keras

    if keras.config.backend() != backend:
        label = {"tensorflow": "TensorFlow", "jax": "JAX"}[backend]
        raise NotImplementedError(
            f"{what} must run on Keras' {label} backend. Received: "
            f"KERAS_BACKEND={keras.config.backend()}. {remedy}"
        )


check_backend()
