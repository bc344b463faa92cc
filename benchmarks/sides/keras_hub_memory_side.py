"""keras-hub's GPT-2; each step also reports which arrays of scores it keeps."""

from harness.kept_arrays import kept_score_arrays
from harness.side_server import serve

from sides import keras_hub_side


def build(length, **arguments):
    """Builds keras-hub's side.

    Args:
        length: int. Tokens in a sequence.
        **arguments: See `keras_hub_side.build`.

    Returns:
        A pair of the step, a callable that returns what `kept_score_arrays`
        finds, and a dict of facts.
    """
    step, facts = keras_hub_side.build(length=length, **arguments)

    def step_and_arrays():
        step()
        return kept_score_arrays(next(iter(step.graphs().values())), length)

    return step_and_arrays, facts


if __name__ == "__main__":
    serve(build, "keras-hub", "keras", "tensorflow")
