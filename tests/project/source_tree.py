"""Reads a package's source: its modules, what they import, what is wrong."""

import ast
import pathlib

# Each may import what is to its right and, without cycles, its own level.
LEVELS = (
    ("__main__",),
    ("cli",),
    ("evaluation", "corpus", "serving"),
    ("models",),
    (
        "export",
        "converters",
        "training",
        "parallel",
        "generation",
        "planning",
        "preset_loader",
    ),
    ("data", "layers", "tokenization"),
    ("ops", "reporting"),
)
# Anyone may import these, which import nothing of the package.
FREE = {
    "version",
    "backend_check",
    "needed_packages",
    "strict_yaml",
    "config_file",
    "config_model",
    "presets",
    "argument_checks",
    "atomic_write",
    "regular_file",
}
# On keras.ops, so that another backend stays possible.
BACKEND_NEUTRAL = {"ops", "layers", "generation", "models"}
DUMPING_GROUNDS = {"utils", "common", "helpers", "misc", "base"}


def parse(folder):
    """Parses a package: a dict of dotted name, below it, to syntax tree."""
    folder = pathlib.Path(folder)
    trees = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        trees[name] = ast.parse(path.read_text("utf-8"))
    return trees


def imported_names(tree, package):
    """Pairs of node and dotted name of each import of the package itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.partition(".")[0] == package:
                yield name.partition(".")[2]


def imports(trees, package):
    """Which modules each module imports, inside functions included."""
    graph = {}
    for name, tree in trees.items():
        graph[name] = set()
        for target in imported_names(tree, package):
            # `from package.module import attribute` names no module.
            while target and target not in trees:
                target = target.rpartition(".")[0]
            graph[name].add(target)
    return graph


def unit(name):
    """The folder or single file at the top that a module belongs to."""
    return name.partition(".")[0]


def wrong_arrows(trees, package):
    """Imports that point to the left."""
    level = {u: i for i, units in enumerate(LEVELS) for u in units}
    wrong = []
    for name, targets in imports(trees, package).items():
        for target in sorted(targets):
            if not name or unit(target) in FREE:
                continue
            importer, imported = level.get(unit(name)), level.get(unit(target))
            if importer is None or imported is None or importer > imported:
                wrong.append(f"{name} -> {target or package}")
    return wrong


def cycles(graph):
    """Nodes of a graph from which a path leads back to them."""
    reached = {node: set(targets) for node, targets in graph.items()}
    for _ in graph:
        for targets in reached.values():
            targets |= set().union(*(reached.get(t, set()) for t in targets))
    return sorted(node for node in graph if node in reached[node])


def import_cycles(trees, package):
    """Modules, and folders, that import each other."""
    modules = imports(trees, package)
    # A package's file gathers what its modules hold; nobody may need it.
    folders = {}
    for name, targets in modules.items():
        outside = {unit(t) for t in targets} - {unit(name)}
        folders.setdefault(unit(name), set()).update(outside)
    return sorted({*cycles(modules), *cycles(folders)})


def tensorflow_imports(trees):
    """Modules of backend-neutral folders that import TensorFlow unduly."""
    wrong = []
    for name, tree in trees.items():
        if unit(name) not in BACKEND_NEUTRAL:
            continue
        inside = set()
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                inside.update(filter(is_tensorflow, ast.walk(function)))
        anywhere = set(filter(is_tensorflow, ast.walk(tree)))
        says_so = "TensorFlow" in (ast.get_docstring(tree) or "")
        if anywhere - inside or (inside and not says_so):
            wrong.append(name)
    return wrong


def is_tensorflow(node):
    if isinstance(node, ast.ImportFrom):
        names = [node.module or ""]
    elif isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        return False
    return any(
        name.partition(".")[0].startswith("tensorflow") for name in names
    )


def dumping_grounds(trees):
    """Modules and folders whose name says nothing."""
    return [n for n in trees if DUMPING_GROUNDS.intersection(n.split("."))]


def asserts(trees):
    """Modules with an `assert`, which Python may be told to leave out."""
    return [
        name
        for name, tree in trees.items()
        if any(isinstance(node, ast.Assert) for node in ast.walk(tree))
    ]


def relative_imports(trees):
    """Modules that import by a path relative to their own."""
    return [
        name
        for name, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
