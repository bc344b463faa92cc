"""Blocks as stages of a pipeline, and where they are placed."""

import contextlib
import dataclasses
import functools
import types

import tensorflow as tf

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.backend_check import require_backend
from keras_gpt3.parallel.step_division import stage_layers


@dataclasses.dataclass(frozen=True)
class PipelineStage:
    """Consecutive blocks of a model, and where they are."""

    blocks: tuple
    devices: tuple

    @property
    def device(self):
        """The name of the device of the replica that calls."""
        return self.blocks[0].variables[0].value.device


def check_num_stages(value):
    """Raise unless there can be so many stages on this backend."""
    check_integer("pipeline_stages", value, minimum=1)
    if value > 1:
        require_backend(
            "tensorflow",
            f"A model of pipeline_stages={value}",
            "Use GPT3Backbone.get_layout_map with keras.distribution there.",
        )


def assign_stages(blocks, num_stages, strategy):
    """Divide blocks into stages, and give each of them its devices.

    The blocks of a stage are those of `stage_layers`.
    """
    if num_stages > len(blocks):
        raise ValueError(
            "pipeline_stages must be at most the number of blocks. Received: "
            f"pipeline_stages={num_stages}, num_layers={len(blocks)}. Use "
            "fewer stages."
        )
    layers = stage_layers(len(blocks), num_stages)
    devices = _devices(num_stages, strategy)
    return tuple(
        PipelineStage(tuple(blocks[i] for i in own), names)
        for own, names in zip(layers, devices, strict=True)
    )


def lies_on_stages(blocks):
    """Whether blocks are on the devices of several stages."""
    return blocks[0].device_scope is not None


def _devices(num_stages, strategy):
    """The devices of each stage, by replica: those of a kind, in order."""
    if strategy is None:
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        first = [f"/device:{kind}:0"]
    elif isinstance(strategy, tf.distribute.MirroredStrategy):
        first = [_short(name) for name in strategy.extended.worker_devices]
        kind = tf.DeviceSpec.from_string(first[0]).device_type
    else:
        raise ValueError(
            "pipeline_stages must be 1 under another strategy than "
            f"MirroredStrategy. Received: pipeline_stages={num_stages}, "
            f"strategy={type(strategy).__name__}. Use "
            "keras_gpt3.parallel.mirrored_strategy, or no strategy."
        )
    others = [_short(d.name) for d in tf.config.list_logical_devices(kind)]
    others = [name for name in others if name not in first]
    replicas = len(first)
    if len(others) < (num_stages - 1) * replicas:
        raise ValueError(
            f"pipeline_stages must be at most the number of {kind} devices "
            f"for each replica. Received: pipeline_stages={num_stages}, "
            f"devices={len(others) + replicas}, replicas={replicas}. Use fewer "
            "stages or replicas; CPU devices can only be split before "
            "TensorFlow first uses them."
        )
    names = first + others
    return [
        tuple(names[stage * replicas : (stage + 1) * replicas])
        for stage in range(num_stages)
    ]


def _short(name):
    """The name of a device of this machine, such as `"/device:GPU:1"`."""
    spec = tf.DeviceSpec.from_string(name)
    return f"/device:{spec.device_type}:{spec.device_index}"


def place_on_stages(backbone, stages, strategy):
    """Move weights to where they are used, and let blocks run there.

    What belongs to no block is on the first stage: the embeddings, whose
    table is also the output head, and the final normalization. One variable
    is moved after the other, so that there are never two copies of the model.
    """
    for variable, devices in _places(backbone, stages):
        if variable_devices(variable) != devices:
            _move(variable, devices, strategy)
    for stage in stages:
        # Also in the first stage: after another block the current device may
        # be any.
        scope = None
        if len(stages) > 1:
            scope = functools.partial(_device_scope, stage)
        for block in stage.blocks:
            block.device_scope = scope


def moves_weights(backbone, stages):
    """Whether `place_on_stages` would move any variable."""
    return any(
        variable_devices(variable) != devices
        for variable, devices in _places(backbone, stages)
    )


def variable_devices(variable):
    """The devices that a variable is on."""
    specs = [tf.DeviceSpec.from_string(x.device) for x in _parts(variable)]
    return tuple(f"/device:{s.device_type}:{s.device_index}" for s in specs)


def _parts(variable):
    """The TensorFlow variables of one of Keras, one for each replica."""
    return getattr(variable.value, "values", (variable.value,))


def _places(backbone, stages):
    """Pairs of each variable and the devices where it belongs."""
    places = {
        id(variable): stage.devices
        for stage in stages
        for block in stage.blocks
        for variable in block.variables
    }
    first = stages[0].devices
    return [(v, places.get(id(v), first)) for v in backbone.variables]


def _move(variable, devices, strategy):
    """Make the value of a Keras variable anew on other devices."""
    old = _parts(variable)
    with _variables_on(devices, strategy):
        # As Keras makes it: name, aggregation and whether it trains.
        variable._initialize(tf.convert_to_tensor(variable.value))
    for part in old:
        # TensorFlow keeps what a traced gradient has read for good.
        tf.raw_ops.AssignVariableOp(
            resource=part.handle,
            value=tf.zeros((0,), part.dtype),
            validate_shape=False,
        )


@contextlib.contextmanager
def _variables_on(devices, strategy):
    """A scope in which variables are made on some devices."""
    if strategy is None:
        with tf.device(devices[0]):
            yield
        return
    # As `colocate_vars_with` does it, which needs a variable to follow.
    there = types.SimpleNamespace(_devices=devices)

    def create(next_creator, **arguments):
        return next_creator(**arguments, colocate_with=there)

    with strategy.scope(), tf.variable_creator_scope(create):
        yield


def _device_scope(stage):
    return tf.device(stage.device)
