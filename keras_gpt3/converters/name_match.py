"""The tensors of a checkpoint against those that a backbone needs."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class WeightRule:
    """One weight of a backbone and the tensors that hold it."""

    path: str
    tensor_names: tuple[str, ...]
    transposed: bool = False
    shape: tuple[int, ...] = ()
    num_heads: int = 1

    @property
    def tensor_shape(self):
        """The shape that each of the tensors must have."""
        each = (*self.shape[:-1], self.shape[-1] // len(self.tensor_names))
        return each[::-1] if self.transposed else each

    def places(self, part):
        """Where on the weight's last axis one of the tensors stands."""
        return self.take(np.arange(self.shape[-1]), part)

    def take(self, array, part):
        """What one of the tensors holds of a weight, not yet transposed."""
        # (..., H, 3, D) -> (..., 3, H, D)
        by_kind = _swapped(array, self.num_heads, self._num_kinds)
        each = np.split(by_kind, len(self.tensor_names), axis=-3)[part]
        return each.reshape(*array.shape[:-1], -1)

    def join(self, array):
        """Order the places of all tensors, joined, as the weight's are."""
        # (..., 3, H, D) -> (..., H, 3, D)
        by_head = _swapped(array, self._num_kinds, self.num_heads)
        return by_head.reshape(array.shape)

    @property
    def _num_kinds(self):
        """Queries, keys and values; elsewhere as many as are joined."""
        return 3 if self.num_heads > 1 else len(self.tensor_names)


def _swapped(array, outer, inner):
    """A view of the last axis as three, the first two of them swapped."""
    shape = (*array.shape[:-1], outer, inner, -1)
    return array.reshape(shape).swapaxes(-3, -2)


@dataclasses.dataclass(frozen=True)
class NameMatch:
    """Which tensors hold which weights."""

    rules: tuple[WeightRule, ...]
    token_embedding: str
    tied_head: str | None


def match_names(family, arguments, shapes):
    """Find the tensor of every weight, and a use for every tensor."""
    rules = family.weight_rules(arguments)
    embedding = rules[0].tensor_names[0]
    prefix = _find_prefix(family, embedding, shapes)
    rules = tuple(_with_prefix(rule, prefix) for rule in rules)
    expected = {
        name: rule.tensor_shape for rule in rules for name in rule.tensor_names
    }
    head = family.tied_head if family.tied_head in shapes else None
    if head is not None:
        expected[head] = expected[prefix + embedding]
    for name, shape in expected.items():
        _check_tensor(family, name, shape, shapes)
    for name in shapes:
        _check_use(family, prefix, name, expected)
    return NameMatch(rules, prefix + embedding, head)


def _find_prefix(family, embedding, shapes):
    for prefix in (family.base_prefix, *family.other_prefixes):
        if prefix + embedding in shapes:
            return prefix
    return family.base_prefix


def _with_prefix(rule, prefix):
    names = tuple(prefix + name for name in rule.tensor_names)
    return dataclasses.replace(rule, tensor_names=names)


def _check_tensor(family, name, shape, shapes):
    if name not in shapes:
        raise ValueError(
            f"A checkpoint of {family.model_type} must hold every tensor that "
            f"its config.json requires. Received: no {name}. Look whether a "
            "file is missing or config.json belongs to another model."
        )
    if tuple(shapes[name]) != shape:
        raise ValueError(
            f"A tensor must have the shape that config.json requires, {name} "
            f"{shape}. Received: {name} of shape {tuple(shapes[name])}. Look "
            "whether config.json belongs to another model."
        )


def _check_use(family, prefix, name, expected):
    if name in expected:
        return
    has_prefix = name.startswith(prefix)
    if has_prefix and family.is_ignored(name.removeprefix(prefix)):
        return
    raise ValueError(
        f"A checkpoint of {family.model_type} must hold no tensor that its "
        f"config.json does not require. Received: {name}. Look whether "
        "config.json belongs to another model."
    )
