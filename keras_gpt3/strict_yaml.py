"""YAML in which a key may stand once."""

import functools

from keras_gpt3.needed_packages import needed_packages


@functools.cache
def strict_yaml(need, extra):
    """PyYAML, and a safe loader to which a second key is an error.

    PyYAML's own takes the last of equal keys, in silence.

    Args:
        need: string. As in `needed_packages`.
        extra: string. As in `needed_packages`.

    Returns:
        A pair of the module `yaml` and a subclass of `yaml.SafeLoader`, whose
        errors are `yaml.YAMLError`.

    Raises:
        ImportError: If PyYAML is not installed.

    Example:

    ```python
    from keras_gpt3.strict_yaml import strict_yaml

    yaml, loader = strict_yaml("A config must be read with PyYAML", "pretrain")
    yaml.load("a: 1", Loader=loader)  # {"a": 1}
    ```
    """
    with needed_packages(need, extra):
        import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node, deep=False):
            known = set()
            for key, _ in node.value:
                if key.value in known:
                    raise yaml.constructor.ConstructorError(
                        problem=f"the key {key.value!r} stands twice",
                        problem_mark=key.start_mark,
                    )
                known.add(str(key.value))
            return super().construct_mapping(node, deep)

    return yaml, Loader
