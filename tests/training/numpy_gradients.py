"""Loss and slopes of a whole model in plain numpy, for any backend's step."""

import numpy as np

from tests.fixtures.numpy_forward import numpy_forward

# Weights are about 0.02. Float64 has 1e-16 of a loss of 4: 1e-9 of a slope.
STEP = 1e-6
TABLE = "position_embedding/table/embeddings"


def check_step(model, batch, sums, gradients, tolerance):
    """Compare a step's sums, and its gradients along random directions.

    Of each weight by itself: a central difference of the loss must be the
    gradient times the direction, but for a share of the gradient's norm.
    """
    values = {v.path: _whole(model, v) for v in model.trainable_variables}
    config = model.backbone.get_config()
    expected = _sums(values, config, batch)
    np.testing.assert_allclose(sums, expected, rtol=tolerance)
    generator = np.random.default_rng(0)
    for variable, gradient in zip(
        model.trainable_variables, gradients, strict=True
    ):
        path = variable.path
        value, gradient = values[path], gradient[: len(values[path])]
        for _ in range(3):
            direction = generator.normal(size=value.shape)
            ends = [
                _sums(values | {path: value + h * direction}, config, batch)[0]
                for h in (STEP, -STEP)
            ]
            slope = (ends[0] - ends[1]) / (2 * STEP)
            error = abs((gradient * direction).sum() - slope)
            assert error <= tolerance * np.linalg.norm(gradient), path


def _whole(model, variable):
    """A weight in float64, without rows of padding."""
    value = np.asarray(variable.value, "float64")
    is_table = variable.path == "token_embedding/embeddings"
    return value[: model.backbone.vocabulary_size] if is_table else value


def _sums(values, config, batch):
    """The loss and the weighted number of correct predictions."""
    x, y, weights = batch
    arrays = values | {"position_embedding/embeddings": values[TABLE]}
    logits = numpy_forward(arrays, config, x["token_ids"])
    likelihoods = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    chosen = np.take_along_axis(likelihoods, y[..., None], -1)[..., 0]
    right = logits.argmax(-1) == y
    return (-np.log(chosen) * weights).sum(), (right * weights).sum()
