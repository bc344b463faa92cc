"""Refuses commands that exist for Keras' TensorFlow backend alone."""


def check_tensorflow(command, instead=""):
    """Raises if Keras runs on another backend than TensorFlow.

    Called before anything is read, which may take long.
    """
    # Inside: the package's `__init__` loads TensorFlow.
    from keras_gpt3.backend_check import require_backend

    require_backend(
        "tensorflow",
        f"keras-gpt3 {command}",
        f"Set KERAS_BACKEND=tensorflow{instead}.",
    )
