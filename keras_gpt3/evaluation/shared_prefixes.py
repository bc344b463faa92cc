"""Finds beginnings that prompts share and that are worth computing once."""

# Each length of a prefix costs traces of the model: few lengths.
_STEP = 128
# Fewer tokens are not worth a pass of their own, in a batch of one.
_LEAST_SAVED = 256


def shared_prefixes(contexts, step=_STEP, least_saved=_LEAST_SAVED):
    """Groups contexts by what they start with.

    The choices of a question share its context, few-shot prompts share their
    demonstrations. Of the groups that hold each other those are taken that
    spare the model more tokens.
    """
    everything = list(range(len(contexts)))
    _, groups = _sparing(contexts, everything, step, step, least_saved)
    groups.sort(key=lambda group: -group[0])
    grouped = {index for _, members in groups for index in members}
    alone = [index for index in everything if index not in grouped]
    return [*groups, (0, alone)] if alone else groups


def _sparing(contexts, indices, length, step, least_saved):
    """Tokens spared, and the groups that spare them.

    The contexts of the indices are the same up to `length - step`.
    """
    by_start = {}
    for index in indices:
        if len(contexts[index]) >= length:
            start = tuple(contexts[index][length - step : length])
            by_start.setdefault(start, []).append(index)
    spared, groups = 0, []
    for members in by_start.values():
        here = (len(members) - 1) * length
        if not here:
            continue
        deeper, inner = _sparing(
            contexts, members, length + step, step, least_saved
        )
        if here >= max(deeper, least_saved):
            deeper, inner = here, [(length, members)]
        spared, groups = spared + deeper, groups + inner
    return spared, groups
