"""The tensors of a checkpoint against those that a backbone needs."""

import dataclasses

from keras_gpt3.converters.weight_rule import WeightRule


@dataclasses.dataclass(frozen=True)
class NameMatch:
    """Which tensors hold which weights."""

    rules: tuple[WeightRule, ...]
    token_embedding: str
    tied_head: str | None


def match_names(family, arguments, shapes):
    """Finds the tensor of every weight, and a use for every tensor."""
    rules = family.weight_rules(arguments)
    embedding = rules[0].theirs[0]
    prefix = _find_prefix(family, embedding, shapes)
    rules = tuple(_with_prefix(rule, prefix) for rule in rules)
    expected = {
        name: rule.shape_of_theirs for rule in rules for name in rule.theirs
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
    theirs = tuple(prefix + name for name in rule.theirs)
    return dataclasses.replace(rule, theirs=theirs)


def _check_tensor(family, name, shape, shapes):
    if name not in shapes:
        raise ValueError(
            f"A checkpoint of {family.model_type} must hold every tensor that "
            f"its config.json asks for. Received: no {name}. Look whether a "
            "file is missing or config.json belongs to another model."
        )
    if tuple(shapes[name]) != shape:
        raise ValueError(
            f"A tensor must have the shape that config.json asks for, {name} "
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
        f"config.json does not ask for. Received: {name}. Look whether "
        "config.json belongs to another model."
    )
