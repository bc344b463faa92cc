"""Refuses Keras backends that the package, or a part of it, cannot run on."""

import importlib.util
import os

from keras_gpt3.argument_checks import echoed

_LABELS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def check_backend():
    """Raise if Keras is set to a backend that the package does not know."""
    # Read from the environment: importing Keras would already fail where the
    # backend is not installed.
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend not in _LABELS:
        raise ImportError(
            "KERAS_BACKEND must be 'tensorflow', 'jax' or 'torch' for "
            f"keras_gpt3. Received: KERAS_BACKEND={echoed(backend)}. Set "
            "KERAS_BACKEND=tensorflow before Python starts."
        )
    # Each backend's module has its name, and so has what brings it.
    if importlib.util.find_spec(backend) is None:
        raise ImportError(
            "The package of the Keras backend must be installed. Received: "
            f"KERAS_BACKEND={backend} without {backend}. Install it with "
            f"pip install {backend}."
        )


def require_backend(backends, what, remedy):
    """Raise if Keras runs on another backend than a part of the package.

    `backends` is the name of one, or a tuple of names.
    """
    import keras

    known = (backends,) if isinstance(backends, str) else backends
    if keras.config.backend() not in known:
        labels = " or ".join(_LABELS[backend] for backend in known)
        raise NotImplementedError(
            f"{what} must run on Keras' {labels} backend. Received: "
            f"KERAS_BACKEND={keras.config.backend()}. {remedy}"
        )


def require_training(what):
    """Raise if Keras runs on a backend for which there is no training step."""
    require_backend(
        ("tensorflow", "jax"),
        what,
        "Save with save_to_preset, and train under one of these.",
    )


check_backend()
