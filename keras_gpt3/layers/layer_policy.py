"""The type of one layer of a model that has several."""

from keras import dtype_policies


def layer_policy(dtype, path):
    """Looks up a layer's own policy.

    A quantized model that is loaded has a map of policies, which Keras gives
    to each layer as a whole. Such a layer neither saves its weights again nor
    computes with them as they are stored: both look at the map's default.
    """
    if isinstance(dtype, dtype_policies.DTypePolicyMap):
        return dtype[path]
    return dtype
