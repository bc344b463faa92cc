"""The folder of the checkpoints of sharded models. JAX only."""

import json
import os

from keras_gpt3.backend_check import require_backend
from keras_gpt3.echoed_value import echoed
from keras_gpt3.version import __version__


def import_orbax():
    """Import Orbax, which writes and reads arrays by the parts of devices."""
    require_backend(
        "jax",
        "A sharded checkpoint",
        "Use the checkpoints of keras-gpt3 pretrain or "
        "keras.callbacks.BackupAndRestore there.",
    )
    try:
        from orbax.checkpoint import v1
    except ImportError as error:
        raise ImportError(
            "Sharded checkpoints must be written and read by Orbax. Received: "
            f"{error}. Install it with pip install 'keras-gpt3[jax]'."
        ) from error
    return v1


def checkpoint_root(folder):
    """Return the folder as Orbax wants it: absolute, or an address."""
    folder = os.fspath(folder)
    return folder if "://" in folder else os.path.abspath(folder)


def checkpoint_steps(folder):
    """Find the steps of whole checkpoints, not those of interrupted saves."""
    names = import_orbax().path.step.standard_name_format()
    return sorted(found.step for found in names.find_all(folder))


def checkpoint_path(folder, step=None):
    """Find a checkpoint."""
    steps = checkpoint_steps(folder)
    if not steps:
        raise FileNotFoundError(
            "directory must hold a checkpoint. Received: directory="
            f"'{folder}', which holds none. Pass that of a ShardedCheckpoint "
            "that has saved."
        )
    step = steps[-1] if step is None else step
    if step not in steps:
        raise ValueError(
            f"step must be one of {steps}. Received: step={echoed(step)}, "
            f"directory='{folder}'. Pass one of these, or None for the last."
        )
    return step, os.path.join(folder, str(step))


def read_metadata(path):
    """Read what a checkpoint says of itself, without its arrays."""
    metadata = import_orbax().metadata(path)
    facts = metadata.custom_metadata
    if not facts or "backbone" not in facts:
        raise ValueError(
            "A checkpoint must be one that ShardedCheckpoint wrote. Received: "
            f"path='{path}', without the config of a backbone. Use "
            "model.load_weights for those of keras.callbacks.OrbaxCheckpoint."
        )
    if metadata.metadata is None:  # Orbax has logged why.
        raise OSError(
            "A checkpoint must tell the shapes of its arrays. Received: path="
            f"'{path}', of which they cannot be read. Use another checkpoint."
        )
    shapes = {
        group: {name: tuple(array.shape) for name, array in arrays.items()}
        for group, arrays in metadata.metadata.items()
    }
    return facts, shapes


# They change no value: a name, and what is frozen is not in the config.
_FREE_FIELDS = {"name", "trainable"}


def checkpoint_variables(model):
    """Return all that a training step changes, under names that last.

    Keras numbers optimizers and seeds as a process makes them: they go by their
    place, not by their path.
    """
    weights = {id(weight) for weight in model.weights}
    seeds = [v for v in model.non_trainable_variables if id(v) not in weights]
    return {
        "weights": {weight.path: weight for weight in model.weights},
        "optimizer": _by_place(model.optimizer.variables),
        "seeds": _by_place(seeds),
    }


def steps_done(model):
    """Count the batches that a model was trained on.

    The optimizer counts those that changed weights. Where it adapts a loss
    scale it leaves out batches whose gradients overflow.
    """
    return int(model.optimizer.iterations) + model._step.skipped_steps


def checkpoint_facts(model):
    """Return what tells a checkpoint's model, as JSON holds it."""
    sharding = model.weights[0].value.sharding
    mesh = getattr(sharding, "mesh", None)
    facts = {
        "backbone": model.backbone.get_config(),
        "keras_gpt3": __version__,
        "mesh": {} if mesh is None else dict(mesh.shape),
        "optimizer": type(model.optimizer).__name__,
        "step": steps_done(model),
    }
    # Tuples become lists, as they come back.
    return json.loads(json.dumps(facts))


def check_same_model(model, facts, path):
    """Raise unless a checkpoint is one of this model and optimizer."""
    own = checkpoint_facts(model)
    for field, saved in facts["backbone"].items():
        here = own["backbone"].get(field)
        if field not in _FREE_FIELDS and here != saved:
            raise ValueError(_another("backbone", field, saved, here, path))
    saved, here = facts["optimizer"], own["optimizer"]
    if here != saved:
        raise ValueError(_another("model", "optimizer", saved, here, path))


def check_same_variables(variables, shapes, vocabulary_size, path):
    """Raise unless a checkpoint has each variable, but for rows of padding.

    A token embedding has a few rows of zeros more where devices share it.
    """
    own = {
        f"{group}/{name}": tuple(variable.shape)
        for group, named in variables.items()
        for name, variable in named.items()
    }
    saved = {
        f"{group}/{name}": shape
        for group, named in shapes.items()
        for name, shape in named.items()
    }
    for name in [*own, *saved]:
        if not _fits(own.get(name), saved.get(name), vocabulary_size):
            raise ValueError(
                "A checkpoint must hold the model's variables. Received: "
                f"{name}={_shape(saved, name)} in '{path}', {name}="
                f"{_shape(own, name)} in the model. Build and compile the "
                "model as it was when it was saved."
            )


def _by_place(variables):
    return {f"{i}/{_own_name(v)}": v for i, v in enumerate(variables)}


def _own_name(variable):
    """The name without those of its owners, which may be numbered."""
    return variable.path.rpartition("/")[2]


def _fits(own, saved, vocabulary_size):
    if own is None or saved is None or len(own) != len(saved):
        return False
    return all(
        here == there or min(here, there) >= vocabulary_size
        for here, there in zip(own, saved, strict=True)
    )


def _shape(shapes, name):
    return f"array of shape {shapes[name]}" if name in shapes else "none"


def _another(owner, field, saved, here, path):
    return (
        f"A checkpoint must be of the same {owner}. Received: {field}="
        f"{echoed(saved)} in '{path}', {field}={echoed(here)} in the model. "
        "Build the model as it was when it was saved, or use another directory."
    )
