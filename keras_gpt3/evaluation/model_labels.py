"""What models are called in tables and legends, where a path is too long."""

import pathlib

# Of a path these tell one model from another: such as run7/model.
_NUM_PARTS = 2


def model_labels(models):
    """Shortens names of models that are long paths to their last two parts.

    Args:
        models: iterable of strings, as of `TaskResult`.

    Returns:
        A dict from name to string. Handles such as `"hf://org/name"` stay as
        they are, and so do paths that would then be called the same.

    Example:

    ```python
    from keras_gpt3.evaluation.model_labels import model_labels

    model_labels(["/data/runs/first/model"])
    # {"/data/runs/first/model": "first/model"}
    ```
    """
    labels = {model: _label(model) for model in models}
    shown = list(labels.values())
    return {
        model: label if shown.count(label) == 1 else model
        for model, label in labels.items()
    }


def _label(model):
    parts = pathlib.PurePath(model).parts
    if "://" in model or len(parts) <= _NUM_PARTS:
        return model
    return "/".join(parts[-_NUM_PARTS:])
