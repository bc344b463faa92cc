"""Renders the templates of a task with the fields of a record."""

import contextvars
import functools
import importlib
import itertools
import re
import time

from keras_gpt3.needed_packages import needed_packages

# Of a template, in messages.
_MOST_LETTERS = 60
# A prompt of this length fits no model, and a template that takes so many
# steps, or seconds, was not written for one.
_LONGEST = 10**6
_MOST_STEPS = 10**6
_MOST_SECONDS = 10.0
# What a template has left, from the begin of its rendering.
_budget = contextvars.ContextVar("budget")


def render(template, record):
    """Render a Jinja template; what a list or number stands alone for stays.

    A template that is one expression alone gives its value as it is: a list, a
    number, a string, never a string that was read as a number. Any other gives
    a string. Templates run in Jinja's sandbox, and a field that is not there is
    an error. Besides Jinja's own filters there are `spaced` (each text of a
    list with a space in front) and `regex_replace(pattern, replacement)`.
    """
    jinja2 = _jinja()
    _budget.set((itertools.count(1), time.monotonic() + _MOST_SECONDS))
    try:
        return _checked(_compiled(template).render(record))
    # Beside Jinja's own: whatever the methods of strings and lists raise.
    except (
        jinja2.TemplateError,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        where = getattr(record, "where", None) or f"record={_short(record)}"
        raise ValueError(
            "A template must render with each record. Received: "
            f"{where} ({_short(template)}: {_reason(error)}). Correct the "
            "record or the template."
        ) from error


def template_names(template):
    """List the fields that a template uses."""
    jinja2, environment = _jinja(), _environment()
    try:
        _compiled(template)
        tree = environment.parse(template)
    except jinja2.TemplateError as error:
        raise ValueError(_reason(error)) from error
    names = jinja2.meta.find_undeclared_variables(tree)
    return names - set(environment.globals)


@functools.cache
def _jinja():
    with needed_packages("Templates must be rendered with Jinja", "evaluate"):
        import jinja2
    for name in ("meta", "nativetypes", "nodes", "sandbox"):
        importlib.import_module(f"jinja2.{name}")
    return jinja2


@functools.cache
def _compiled(template):
    return _environment().from_string(template)


@functools.cache
def _environment():
    """Jinja, in its sandbox, that keeps values what they are."""
    jinja2 = _jinja()

    class CodeGenerator(jinja2.nativetypes.NativeCodeGenerator):
        def _output_child_to_const(self, node, frame, finalize):
            const = super()._output_child_to_const(node, frame, finalize)
            # A constant list would be written into the code as a string, which
            # Jinja's own native types read again afterwards.
            if not isinstance(const, str):
                raise jinja2.nodes.Impossible
            return const

    class Environment(jinja2.sandbox.ImmutableSandboxedEnvironment):
        code_generator_class = CodeGenerator
        concat = staticmethod(_joined)
        intercepted_binops = frozenset(["*", "**", "%"])

        def _parse(self, *arguments):
            tree = super()._parse(*arguments)
            for loop in tree.find_all(jinja2.nodes.For):
                loop.iter = jinja2.nodes.Filter(
                    loop.iter, "counted", [], [], None, None
                )
            return tree

        def call(self, context, called, *arguments, **options):
            _step()
            return super().call(context, called, *arguments, **options)

        def call_binop(self, context, operator, left, right):
            _check_size(operator, left, right)
            return super().call_binop(context, operator, left, right)

    environment = Environment(
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters["counted"] = _counted
    environment.filters["spaced"] = _spaced
    environment.filters["regex_replace"] = _regex_replace
    return environment


def _joined(values):
    """What a template gives, of the values of its pieces."""
    pieces, length = [], 0
    for value in values:
        _step()
        pieces.append(value)
        length += len(value) if isinstance(value, str) else 1
        if length > _LONGEST:
            raise ValueError(f"it gives over {_LONGEST:,} characters")
    if len(pieces) == 1:
        return pieces[0]
    for piece in pieces:
        if not isinstance(piece, (str, int, float)):
            str(piece)  # It raises for what is undefined.
            raise TypeError(f"a {type(piece).__name__} stands within text")
    return "".join(map(str, pieces))


def _counted(values):
    """The items of a loop, each a step."""
    for value in values:
        _step()
        yield value


def _step():
    """Count a step, and raise if a template has taken too many."""
    steps, end = _budget.get()
    if next(steps) > _MOST_STEPS or time.monotonic() > end:
        raise ValueError(
            f"it takes over {_MOST_STEPS:,} steps or {_MOST_SECONDS:g} seconds"
        )


def _check_size(operator, left, right):
    """Raise before a product, a power or a format that would fill memory."""
    size = 0
    if operator == "**" and isinstance(right, int):
        size = abs(right) * 1000
    elif operator == "%" and isinstance(left, str):
        size = max(map(int, re.findall(r"\d+", left)), default=0)
    elif operator == "*":
        for many, times in ((left, right), (right, left)):
            if hasattr(many, "__len__") and isinstance(times, int):
                size = len(many) * times
    if size > _LONGEST:
        raise ValueError(f"it makes a value of over {_LONGEST:,} characters")


def _checked(value):
    """The value, unless it or an item is a field that is not there."""
    undefined = _jinja().Undefined
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, undefined):
            str(item)
    return value


def _spaced(texts):
    return [f" {text}" for text in texts]


def _regex_replace(text, pattern, replacement):
    return re.sub(pattern, replacement, text)


def _short(value):
    text = repr(value)
    return text if len(text) <= _MOST_LETTERS else text[:_MOST_LETTERS] + "..."


def _reason(error):
    text = " ".join(str(error).split()) or type(error).__name__
    return text.rstrip(".")
