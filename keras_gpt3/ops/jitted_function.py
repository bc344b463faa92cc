"""Functions that read variables, compiled by JAX; for Keras' JAX backend."""

import keras


def jitted(function, variables=(), changed=()):
    """Makes JAX compile a function of tensors, once for each shape.

    What a compiled function reads beside its arguments is a constant to JAX:
    weights that are trained or loaded later would not reach it. So the values
    of variables go in with the tensors, and new ones come out.
    """
    import jax

    variables, changed = list(variables), list(changed)
    known = variables + changed

    @jax.jit
    def stateless(values, tensors):
        mapping = zip(known, values, strict=True)
        with keras.StatelessScope(mapping) as scope:
            result = function(*tensors)
        return result, [scope.get_current_value(v) for v in changed]

    def call(*tensors):
        result, values = stateless([v.value for v in known], tensors)
        for variable, value in zip(changed, values, strict=True):
            variable.assign(value)
        return result

    return call
