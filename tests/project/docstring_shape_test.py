import keras

from tests.project.docstring_shape import docstring_faults
from tests.project.docstring_shape import documented_methods


def double(x, times=1):
    """Compute a multiple of 2.

    Args:
        x: int. A number.
        times: int. How often it is doubled. Defaults to `1`.

    Returns:
        An int.

    Raises:
        ValueError: If `times` is negative.
    """
    if times < 0:
        raise ValueError
    return x * 2**times


def bare(x, y=1, *, z=0):
    """Doubles a number.

    Args:
        x: See `double`.
        y: Whatever there is.
    """
    if z:
        raise ValueError
    return x


def outer():
    """Make nothing, though a function inside does."""

    def inner():
        raise ValueError

    inner()


def undocumented():
    pass


class Doubler(keras.layers.Layer):
    """Computes numbers."""

    def call(self, x):
        return self.double(x)

    def double(self, x):
        """Compute the double."""
        return 2 * x

    def count_params(self):
        """Count the weights."""
        return 0


def test_a_whole_docstring_has_no_faults():
    assert docstring_faults(double) == []


def test_what_a_docstring_lacks_is_named():
    assert docstring_faults(bare) == [
        "opens with Doubles, not with an imperative",
        "does not say what x is",
        "lacks the type of y",
        "lacks the default of y",
        "lacks the argument z",
        "lacks Returns",
        "lacks Raises",
    ]
    assert docstring_faults(undocumented) == ["lacks a summary of one line"]


def test_functions_inside_neither_return_nor_raise_for_the_one_around():
    assert docstring_faults(outer) == []


def test_a_class_opens_with_a_noun_phrase():
    assert docstring_faults(Doubler) == [
        "opens with Computes, not with a noun phrase"
    ]


def test_methods_of_keras_may_leave_their_documentation_to_it():
    methods = documented_methods(Doubler, Doubler.__module__.split(".")[0])
    faults = {method.__name__: docstring_faults(method) for method in methods}
    assert faults == {
        "count_params": ["lacks Returns"],
        "double": ["lacks the argument x", "lacks Returns"],
    }
