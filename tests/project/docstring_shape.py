"""The shape of Keras' docstrings, which all exported names have.

A class opens with a noun phrase, a function with a verb in the imperative. An
argument reads `name: type. Meaning. Defaults to ...`; what returns and what
raises says so.
"""

import ast
import inspect
import re
import textwrap

# What functions begin with; add the verb that you need.
VERBS = frozenset(
    """
    Add Apply Attend Begin Build Choose Compute Configure Continue Count Draw
    Drop Embed Encode End Estimate Find Fit Forbid Freeze List Load Look Lower
    Make Name Normalize Pack Plan Put Raise Read Remove Restore Return Save
    Search Serve Set Store Subtract Sum Switch Tell Tokenize Train Turn Upload
    Wait Write
    """.split()
)
CLAUSES = {"How", "What", "When", "Where", "Whether", "Which", "Who"}
TYPES = re.compile(
    r"`[\w.]+`|\b(array|bool|bytes|callable|dict|float|generator|int|ints|"
    r"iterable|list|nest|number|object|pair|path|sequence|string|strings|"
    r"tensor|tuple)\b"
)
# An argument is described where it is, not by way of another docstring.
REFERENCE = re.compile(
    r"(^|\. )(As in|As `|See|The same)\b|^(as|see|what)\b", re.ASCII
)


def docstring(public):
    """A class' or function's own docstring, not that of a base class."""
    return inspect.cleandoc(vars(public).get("__doc__") or public.__doc__ or "")


def documented_methods(public, package):
    """The public methods that a class has from a package.

    Those that override a method from elsewhere may leave its documentation to
    Keras: `call` and `get_config` mean what they always do.
    """
    methods = {}
    for base in reversed(public.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, (classmethod, staticmethod)):
                value = value.__func__
            if not name.startswith("_") and inspect.isfunction(value):
                inherits = name in methods and not value.__doc__
                if base.__module__.partition(".")[0] != package:
                    methods[name] = None
                elif not inherits:
                    methods[name] = value
    return [method for method in methods.values() if method]


def docstring_faults(public):
    """What a class' or function's docstring lacks."""
    text = docstring(public)
    faults = summary_faults(text, inspect.isclass(public))
    faults += argument_faults(text, public)
    body = [node for code in codes(public) for node in own_nodes(code)]
    if not inspect.isclass(public):
        returns = ast.Return, ast.Yield, ast.YieldFrom
        if any(isinstance(n, returns) and is_value(n) for n in body):
            faults += lacks(text, "Returns")
    if any(isinstance(node, ast.Raise) and node.exc for node in body):
        faults += lacks(text, "Raises")
    return faults


def is_value(node):
    """Whether a caller gets something: a bare `return` gives nothing."""
    return node.value is not None or not isinstance(node, ast.Return)


def lacks(text, title):
    return [] if f"\n{title}:\n" in text else [f"lacks {title}"]


def summary_faults(text, is_class):
    """What the first line lacks: one sentence, and its mood."""
    if not re.match(r"\S.*[.?!:]\n", text + "\n"):
        return ["lacks a summary of one line"]
    word = re.match(r"[\w'`-]*", text)[0]
    is_verb = word in VERBS or word.removesuffix("s") in VERBS
    is_verb |= word.removesuffix("es") in VERBS
    if is_class and (is_verb or word in CLAUSES):
        return [f"opens with {word}, not with a noun phrase"]
    if not is_class and word not in VERBS:
        return [f"opens with {word}, not with an imperative"]
    return []


def argument_faults(text, public):
    """What is not said of arguments."""
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(public).parameters.items()
        if name not in ("self", "cls")
    }
    section = re.search(r"^Args:\n((?:    .*\n|\n)+)", text + "\n", re.M)
    section = textwrap.dedent(section[1]) if section else ""
    entries = dict(
        re.findall(r"^\*{0,2}(\w+): (\S.*(?:\n .*)*)", section, re.M)
    )
    faults = []
    for name, parameter in parameters.items():
        is_variadic = parameter.kind in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        )
        if name not in entries:
            faults += [] if is_variadic else [f"lacks the argument {name}"]
            continue
        entry = " ".join(entries[name].split())
        kind = re.split(r"\.(?:\s|$)", entry)[0]
        if REFERENCE.search(entry):
            faults.append(f"does not say what {name} is")
        if not is_variadic and not TYPES.search(kind):
            faults.append(f"lacks the type of {name}")
        has_default = parameter.default is not parameter.empty
        if has_default and "Default" not in entry:
            faults.append(f"lacks the default of {name}")
    return faults


def codes(public):
    """The functions whose `raise` is the class' or function's own."""
    if not inspect.isclass(public):
        return [inspect.unwrap(public)]
    own = [vars(public).get(n) for n in ("__init__", "__post_init__")]
    # A dataclass' `__init__` has no source.
    return [
        code
        for code in own
        if inspect.isfunction(code) and code.__code__.co_filename[0] != "<"
    ]


def own_nodes(function):
    """The nodes of a function, without those of functions inside."""
    source = textwrap.dedent(inspect.getsource(function))
    nodes = list(ast.parse(source).body[0].body)
    for node in nodes:
        if not isinstance(node, (ast.FunctionDef, ast.Lambda, ast.ClassDef)):
            nodes.extend(ast.iter_child_nodes(node))
    return nodes
