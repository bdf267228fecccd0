"""Names that Python loses in nested comprehensions: a comprehension uses an outer name that a neighbouring one binds.

From 3.12 on, comprehensions run inside the function around them. Until 3.12.3, a name that one of them binds is unbound
in its neighbours, even if these mean a global, a builtin or a module (CPython issue 118513). If they mean a name of an
enclosing function, all releases so far have the error (issue 156664). Debian and Ubuntu ship such releases, which the
tests seldom run on, so this test searches the source.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("vtctap", "dissector", "pcap", "sniffer", "tests", "bench", "docs", "examples")

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp)
"""The comprehensions that run inside the function around them. A generator expression does not."""
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.GeneratorExp)


def lost_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yields the line of each comprehension that loses a name to a neighbour, and the name."""
    for scope in ast.walk(tree):
        if isinstance(scope, (ast.Module, *SCOPES)):
            neighbours = list(_comprehensions(scope))
            own = _bound(scope) if len(neighbours) > 1 else set()
            for one, within in neighbours:
                theirs = {name for other, _ in neighbours if other is not one for name in _targets(other)}
                known = own.union(*map(_targets, (one, *within)))
                yield from ((line, name) for line, name in _loaded(one) if name in theirs - known)


def _comprehensions(node: ast.AST, within: tuple[ast.AST, ...] = ()) -> Iterator[tuple[ast.AST, tuple[ast.AST, ...]]]:
    """Yields the comprehensions that run inside a scope, each with the comprehensions around it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, COMPREHENSIONS):
            yield child, within
            yield from _comprehensions(child, (*within, child))
        elif not isinstance(child, SCOPES):
            yield from _comprehensions(child, within)


def _targets(comprehension: ast.AST) -> set[str]:
    """Returns the names that a comprehension binds."""
    return {
        node.id
        for child in ast.iter_child_nodes(comprehension)
        if isinstance(child, ast.comprehension)
        for node in ast.walk(child.target)
        if isinstance(node, ast.Name)
    }


def _bound(scope: ast.AST) -> set[str]:
    """Returns the names that a scope binds itself: arguments, assignments, imports, definitions."""
    names = set()
    for node in _inside(scope):
        match node:
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                names.add(name)
            case ast.alias(name=name, asname=asname):
                names.add(asname or name.partition(".")[0])
    return names


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, (*SCOPES, *COMPREHENSIONS)):
            yield from _inside(child)


def _loaded(comprehension: ast.AST) -> Iterator[tuple[int, str]]:
    """Returns the names that a comprehension uses and that nothing in it binds. Its first iterable belongs to the scope
    outside."""
    first = next(child for child in ast.iter_child_nodes(comprehension) if isinstance(child, ast.comprehension)).iter
    outside = {id(node) for node in ast.walk(first)}
    inner = {
        name
        for node in ast.walk(comprehension)
        if isinstance(node, (*SCOPES, *COMPREHENSIONS))
        for name in _targets(node) | _bound(node)
    }
    for node in ast.walk(comprehension):
        if isinstance(node, ast.Name) and id(node) not in outside and node.id not in inner:
            yield node.lineno, node.id


@pytest.mark.parametrize(
    ("source", "lost"),
    [
        ("import sys\ndef f():\n [sys for sys in a]\n [sys.x for _ in a]", [(4, "sys")]),
        ("def f():\n {id for id in a}, {id(o): 1 for o in a}", [(2, "id")]),
        ("def f():\n [x for x in a]\n return lambda: [x for _ in a]", []),  # Both are in functions of their own.
        ("def f(x):\n [x for x in a]\n return [x for _ in a]", []),  # It is the function's own name.
        ("def f():\n import x\n [x for x in a]\n return [x for _ in a]", []),
        ("def f():\n [x for x in a], list(x for _ in a)", []),
        ("def f():\n [x for x in a], [y for y in x]", []),  # The first iterable is evaluated outside.
        ("def f():\n [x for x in a], [y for y in a if x]", [(2, "x")]),
        ("def f():\n [[x for _ in a] for x in a], [x for x in a]", []),
        ("def f(x):\n def g():\n  [x for x in a]\n  return [x for _ in a]", [(4, "x")]),
    ],
)
def test_lost_names_are_found(source: str, lost: list[tuple[int, str]]) -> None:
    assert list(lost_names(ast.parse(source))) == lost


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_name_is_lost(folder: str) -> None:
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    lost = [(path, *found) for path in paths for found in lost_names(ast.parse(path.read_text("utf-8")))]
    assert [f"{path.relative_to(ROOT)}:{line}: {name}" for path, line, name in lost] == []
