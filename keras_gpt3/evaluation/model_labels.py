"""What models are called in tables and legends, where a path is too long."""

import pathlib

# Of a path these tell one model from another: such as run7/model.
_NUM_PARTS = 2


def model_labels(models):
    """Shortens names of models that are long paths to their last two parts."""
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
