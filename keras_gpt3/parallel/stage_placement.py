"""Moves a model's weights to the devices of its stages. TensorFlow only."""

import contextlib
import functools
import types

import tensorflow as tf


def place_on_stages(backbone, stages, strategy):
    """Moves weights to where they are used, and lets blocks run there.

    What belongs to no block lies with the first stage: the embeddings, whose
    table is the output head, too, and the final normalization. One variable
    is moved after the other, so that there are never two copies of the model.
    """
    for variable, devices in _places(backbone, stages):
        if variable_devices(variable) != devices:
            _move(variable, devices, strategy)
    for stage in stages:
        # In the first stage, too: behind another block the current device may
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
    """The devices that a variable lies on."""
    specs = [tf.DeviceSpec.from_string(x.device) for x in _parts(variable)]
    return tuple(f"/device:{s.device_type}:{s.device_index}" for s in specs)


def _parts(variable):
    """The TensorFlow variables behind one of Keras, one for each replica."""
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
    """Makes the value of a Keras variable anew on other devices."""
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
