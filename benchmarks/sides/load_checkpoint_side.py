"""A library that loads a checkpoint once, in a process of its own."""

from harness.process_memory import peak_bytes
from harness.process_memory import resident_bytes
from harness.side_server import serve


def build(library="keras_gpt3", folder=None):
    """Imports a library, and makes a step that loads.

    Args:
        library: string. `"keras_gpt3"` or `"keras_hub"`.
        folder: string. A checkpoint of GPT-2 in Hugging Face's layout.

    Returns:
        A pair of the step, which gives the number of parameters, and a dict
        with `bare_bytes`, the memory before.
    """
    import tensorflow as tf

    if library == "keras_gpt3":
        import keras_gpt3

        load = keras_gpt3.GPT3Backbone.from_preset
    else:
        import keras_hub

        load = keras_hub.models.GPT2Backbone.from_preset
    tf.zeros(1)  # Starts TensorFlow's threads.
    facts = {"bare_bytes": resident_bytes(), "bare_peak_bytes": peak_bytes()}
    loaded = []

    def step():
        loaded.append(load(folder))
        return loaded[0].count_params()

    return step, facts


if __name__ == "__main__":
    serve(build, "keras-gpt3", "keras-hub", "keras", "tensorflow")
