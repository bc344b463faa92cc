"""YAML in which a key may stand once, and nothing stands for anything else."""

import functools

from keras_gpt3.argument_checks import echoed
from keras_gpt3.needed_packages import needed_packages

# Deeper than any config, and far from Python's own limit.
_DEEPEST = 100


@functools.cache
def strict_yaml(need, extra):
    """PyYAML, and a safe loader to which a second key is an error.

    PyYAML's own takes the last of equal keys, in silence, and puts in aliases
    (`*name`), by which a file of 400 bytes becomes gigabytes as soon as
    somebody prints it. Here they are errors as well, as are keys that are not
    scalars, values that Python has no form for, and over 100 levels.
    """
    with needed_packages(need, extra):
        import yaml

    class Loader(yaml.SafeLoader):
        _depth = 0

        def compose_node(self, parent, index):
            event = self.peek_event()
            if isinstance(event, yaml.AliasEvent):
                raise _composer_error(
                    f"the alias *{event.anchor}; write out what it stands for",
                    event,
                )
            if self._depth == _DEEPEST:
                raise _composer_error(f"more than {_DEEPEST} levels", event)
            self._depth += 1
            node = super().compose_node(parent, index)
            self._depth -= 1
            return node

        def construct_object(self, node, deep=False):
            try:
                return super().construct_object(node, deep)
            except ValueError as error:  # Of 2026-13-45, or 5000 digits.
                raise _constructor_error(
                    f"{echoed(node.value)} looks like a date or a number, and "
                    "is none",
                    node,
                ) from error

        def construct_mapping(self, node, deep=False):
            known = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise _constructor_error(
                        "a list or a mapping stands as a key", key
                    )
                if key.value in known:
                    raise _constructor_error(
                        f"the key {echoed(key.value)} stands twice", key
                    )
                known.add(key.value)
            return super().construct_mapping(node, deep)

    def _composer_error(problem, event):
        return yaml.composer.ComposerError(
            problem=problem, problem_mark=event.start_mark
        )

    def _constructor_error(problem, node):
        return yaml.constructor.ConstructorError(
            problem=problem, problem_mark=node.start_mark
        )

    return yaml, Loader
