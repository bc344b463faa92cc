"""Refuses commands that exist for Keras' TensorFlow backend alone."""


def check_tensorflow(command, instead=""):
    """Raises if Keras runs on another backend than TensorFlow.

    Called before anything is read, which may take long.

    Args:
        command: string. The name of the subcommand.
        instead: string. What else there is, as ", or do so". Defaults to
            `""`.

    Raises:
        ValueError: If the backend is another one.

    Example:

    ```python
    import keras
    from keras_gpt3.cli.tensorflow_only import check_tensorflow

    if keras.config.backend() == "tensorflow":
        check_tensorflow("serve")
    ```
    """
    import keras

    backend = keras.config.backend()
    if backend != "tensorflow":
        raise ValueError(
            f"keras-gpt3 {command} must run on Keras' TensorFlow backend. "
            f"Received: KERAS_BACKEND={backend}. Set KERAS_BACKEND=tensorflow"
            f"{instead}."
        )
