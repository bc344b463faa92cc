"""Low-rank adapters (Hu et al. 2021) on the layers of a backbone."""

import dataclasses

from keras_gpt3.argument_checks import check_integer

# Keras calls the parts of an adapter so, on kernels and on tables.
_PARTS = (
    ("lora_kernel_a", "lora_kernel_b"),
    ("lora_embeddings_a", "lora_embeddings_b"),
)


@dataclasses.dataclass(frozen=True)
class Adapter:
    """The adapter of one layer: `scale * (a @ b)`, added to its kernel."""

    path: str
    layer: object
    names: tuple[str, str]

    @property
    def parts(self):
        """The two variables, of shapes `(in, rank)` and `(rank, out)`."""
        return tuple(getattr(self.layer, name) for name in self.names)

    @property
    def scale(self):
        """float. What the product counts."""
        return self.layer.lora_alpha / self.layer.lora_rank


def adaptable_layers(backbone):
    """Lists the layers that Keras can adapt, each once."""
    return [
        layer
        for layer in backbone._flatten_layers(include_self=False)
        if hasattr(layer, "enable_lora") and layer.weights
    ]


def adapters(backbone):
    """Lists the adapters of a backbone."""
    found = []
    for layer in adaptable_layers(backbone):
        if layer.lora_enabled:
            names = next(x for x in _PARTS if hasattr(layer, x[0]))
            found.append(Adapter(layer.path, layer, names))
    return sorted(found, key=lambda adapter: adapter.path)


def lora_settings(backbone):
    """Tells what `enable_lora` was called with."""
    present = adapters(backbone)
    if not present:
        return None
    layer = present[0].layer
    return {
        "rank": layer.lora_rank,
        "lora_alpha": layer.lora_alpha,
        "target_layer_names": sorted({x.layer.name for x in present}),
    }


def enable_lora(backbone, rank, target_layer_names=None, lora_alpha=None):
    """Freezes a backbone and adds low-rank adapters to some layers.

    Only the adapters are trained. Keras leaves the bias of an adapted layer
    trainable, which a file of the adapters would then lack: it is frozen, too.
    """
    check_integer("rank", rank, minimum=1)
    if lora_alpha is not None and not lora_alpha > 0:
        raise ValueError(
            f"lora_alpha must be above 0. Received: lora_alpha={lora_alpha}. "
            "Leave it out for the rank."
        )
    if target_layer_names is None:
        target_layer_names = backbone.default_lora_layer_names()
    names = list(target_layer_names)
    _check_names(backbone, names)
    _check_has_none(backbone)
    backbone.trainable = True
    for layer in backbone._flatten_layers(include_self=False):
        layer.trainable = False
    for layer in adaptable_layers(backbone):
        if layer.name in names:
            layer.trainable = True
            layer.enable_lora(rank, lora_alpha=lora_alpha)
    parts = {id(x) for adapter in adapters(backbone) for x in adapter.parts}
    for variable in backbone.trainable_variables:
        variable.trainable = id(variable) in parts


def _check_names(backbone, names):
    known = {layer.name for layer in adaptable_layers(backbone)}
    # The parent freezes everything, adapts nothing and says nothing.
    if not names or not known.issuperset(names):
        raise ValueError(
            "target_layer_names must name layers of the backbone. "
            f"Received: target_layer_names={names}. Use some of "
            "'query_key_value', 'attention_output', "
            "'feed_forward_intermediate', 'feed_forward_output'."
        )


def _check_has_none(backbone):
    present = adapters(backbone)
    if present:
        raise ValueError(
            "A backbone must have no adapters before it gets some. Received: "
            f"{len(present)} of rank={present[0].layer.lora_rank}. Call "
            "merge_lora first, or build the model anew."
        )
