"""A model's checkpoints: all that a step changes, of this run alone."""

import json
import math

from keras_gpt3.argument_checks import echoed
from keras_gpt3.parallel.replicas import from_first_worker
from keras_gpt3.parallel.replicas import num_workers
from keras_gpt3.parallel.replicas import on_any_process
from keras_gpt3.parallel.replicas import wait_for_all
from keras_gpt3.training.checkpoints.checkpointer import Checkpointer
from keras_gpt3.training.checkpoints.orbax_format import OrbaxFormat
from keras_gpt3.training.checkpoints.tensorflow_format import TensorFlowFormat

FORMATS = {kind.name: kind for kind in (TensorFlowFormat, OrbaxFormat)}
# What the first worker sends to the others in place of a step.
_NONE, _FAILED = -1, -2
# They change no value: a name, and what is frozen is not in the config.
_FREE_FIELDS = {"name", "trainable"}


class ModelCheckpointer(Checkpointer):
    """Saves and restores a model, on all workers that train it.

    The first worker chooses the checkpoint that all restore: on a shared file
    system they need not see the same. One of another model or another run, by
    its `identity`, is refused.
    """

    def __init__(self, model, folder, arrays_format, identity=None, **options):
        super().__init__(folder, arrays_format, **options)
        self._model = model
        # Tuples become lists, as they come back.
        self._identity = json.loads(
            json.dumps(model_identity(model) | (identity or {}))
        )
        self.last_step = None

    def save(self, step, metadata, metric=None):
        """Begin to save the model, when its values are on the host."""
        self.last_step = step
        if not (self._is_first or self._format.is_distributed):
            return
        if metric is not None and not math.isfinite(metric):
            metric = None
        self.begin_save(
            step,
            self._format.snapshot(model_variables(self._model)),
            metadata | {"identity": self._identity},
            metric,
        )

    def restore(self, step=None):
        """Restore the newest sound checkpoint, or one; return its manifest.

        Nothing is assigned of one that does not fit. What cannot be read to
        its end is followed by the one before it.
        """
        # No worker reads before all is written, or writes before all read.
        found = self._choose(step)
        while found is not None:
            folder, manifest = found
            self._check(folder, manifest)
            damage = self._read(folder, manifest)
            if damage is not None and num_workers() > 1:
                raise damage  # TensorFlow's workers agree on no other.
            if not on_any_process(damage is not None):
                self.last_step = manifest.step
                break
            damage = damage or OSError("Another process cannot read it.")
            if step is not None:
                raise damage
            self._damaged[manifest.step] = str(damage)
            found = self._choose(None)
        wait_for_all(self._strategy)
        return None if found is None else manifest

    def _read(self, folder, manifest):
        """Give the model a checkpoint's values; an error if it is damaged."""
        variables = model_variables(self._model)
        try:
            self._reader(manifest).restore(folder, variables)
        except OSError as error:
            return error
        return None

    def check_folder(self, step):
        """Raise at checkpoints of another run, or of steps after this one."""
        steps = self.steps()
        if not steps:
            return
        self._check(*self.find(steps[-1]))
        if steps[-1] > step:
            raise ValueError(
                "directory must hold no checkpoint of a later step than the "
                f"model's. Received: directory='{self._folder}', steps="
                f"{steps}, model at step={step}. Restore the last one first, "
                "delete the later ones, or use another directory."
            )
        self.last_step = steps[-1]

    @property
    def readable_formats(self):
        """Names of the formats that are read: those of both backends."""
        return set(FORMATS)

    def _reader(self, manifest):
        """What reads a checkpoint, which the other backend may have written."""
        if manifest.format == self._format.name:
            return self._format
        return FORMATS[manifest.format]()

    def _choose(self, step):
        """The checkpoint that the first worker finds, on every worker."""
        if not self._is_first:
            step = from_first_worker(self._strategy, 0)
            if step == _FAILED:
                raise RuntimeError(
                    "The first worker must restore a checkpoint. Received: "
                    "an error there. Its log says which."
                )
            return None if step == _NONE else self.find(step)
        chosen = _FAILED
        try:
            found = self.find(step)
            chosen = _NONE if found is None else found[1].step
        finally:
            # The others wait for it, whatever went wrong here.
            from_first_worker(self._strategy, chosen)
        return found

    def _check(self, folder, manifest):
        """Raise unless a checkpoint is one of this run and of this model."""
        saved = manifest.metadata.get("identity", {})
        found = differences(saved, self._identity)
        if found:
            raise ValueError(
                "A checkpoint must be one of this run. Received: folder="
                f"'{folder}', which has other values: {'; '.join(found)}. Use "
                "the model, the optimizer and the data that the run began "
                "with, or another folder."
            )
        if not self._model.optimizer.built:
            self._model.compiled_step.prepare_optimizer(self._model)
        # Under JAX a token embedding may have some rows of zeros more.
        rows = self._model.backbone.vocabulary_size
        shapes = {n: tuple(a["shape"]) for n, a in manifest.arrays.items()}
        check_shapes(model_variables(self._model), shapes, folder, rows)


def model_variables(model):
    """All that a training step changes, by names that last; no metrics.

    Weights, the optimizer's slots and counters, and the states of seed
    generators, which `tf.train.Checkpoint` leaves out: with dropout a resumed
    run would go another way. Keras numbers optimizers and seeds as a process
    makes them: they go by their place, not by their path.
    """
    weights = {id(weight) for weight in model.weights}
    # `variables` counts a generator that two layers share twice.
    seeds = {id(v): v for v in model.non_trainable_variables}
    return {
        **{f"weights/{weight.path}": weight for weight in model.weights},
        **_by_place("optimizer", model.optimizer.variables),
        **_by_place(
            "seeds", [v for key, v in seeds.items() if key not in weights]
        ),
    }


def _by_place(group, variables):
    """Names without those of the variables' owners, which may be numbered."""
    return {
        f"{group}/{i}/{v.path.rpartition('/')[2]}": v
        for i, v in enumerate(variables)
    }


def model_identity(model):
    """What identifies the model and the optimizer of a checkpoint."""
    config = model.backbone.get_config()
    return {
        "backbone": {n: v for n, v in config.items() if n not in _FREE_FIELDS},
        "optimizer": type(model.optimizer).__name__,
    }


def differences(there, here):
    """What differs in nested dicts, as `"a.b=1 there, 2 here"`."""
    there, here = flat(there), flat(here)
    return [
        f"{name}={echoed(there.get(name))} there, {echoed(here.get(name))} here"
        for name in sorted({*there, *here})
        if there.get(name) != here.get(name)
    ]


def flat(value, prefix=""):
    """Dotted names to values of nested dicts."""
    if not isinstance(value, dict):
        return {prefix: value}
    values = {}
    for key, inner in value.items():
        values |= flat(inner, f"{prefix}.{key}" if prefix else key)
    return values


def check_shapes(variables, shapes, folder, padded_rows=None):
    """Raise unless a checkpoint has each variable.

    Axes may differ beyond `padded_rows`, those of the vocabulary.
    """
    own = {name: tuple(v.shape) for name, v in variables.items()}
    for name in [*own, *shapes]:
        if not _fits(own.get(name), shapes.get(name), padded_rows):
            raise ValueError(
                "A checkpoint must hold the model's variables. Received: "
                f"{name}={_shape(shapes, name)} in '{folder}', {name}="
                f"{_shape(own, name)} in the model. Build and compile the "
                "model as it was when it was saved."
            )


def _fits(own, saved, padded_rows):
    if own is None or saved is None or len(own) != len(saved):
        return False
    return all(
        here == there
        or (padded_rows is not None and min(here, there) >= padded_rows)
        for here, there in zip(own, saved, strict=True)
    )


def _shape(shapes, name):
    return f"array of shape {shapes[name]}" if name in shapes else "none"
