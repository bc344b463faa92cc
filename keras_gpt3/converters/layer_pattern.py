"""The kinds of layers: a pattern that repeats over the depth."""


def kinds_of_layers(arguments):
    """The kind of each layer of a backbone."""
    pattern = arguments["attention_pattern"]
    return [pattern[i % len(pattern)] for i in range(arguments["num_layers"])]


def shortest_pattern(kinds):
    """The shortest pattern that gives these layers when it is repeated."""
    return next(
        list(kinds[:n])
        for n in range(1, len(kinds) + 1)
        if all(kind == kinds[i % n] for i, kind in enumerate(kinds))
    )
