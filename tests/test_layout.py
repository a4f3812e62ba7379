"""The layout that contracts on imports do not cover: names, and how long files and functions are."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "nightschool"
FILES = [file for file in sorted(PACKAGE.rglob("*.py")) if not file.stem.startswith("__")]
TREES = {file: ast.parse(file.read_text(encoding="utf-8")) for file in FILES}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def test_no_two_modules_share_a_name() -> None:
    named = defaultdict(list)
    for file in FILES:
        named[file.stem].append(str(file.relative_to(PACKAGE)))
    assert {name: files for name, files in named.items() if len(files) > 1} == {}


def test_no_two_classes_share_a_name() -> None:
    named = defaultdict(list)
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                named[node.name].append(str(file.relative_to(PACKAGE)))
    assert {name: files for name, files in named.items() if len(files) > 1} == {}


def test_files_are_short() -> None:
    lengths = {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    assert {name: n for name, n in lengths.items() if n > MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    lengths = {
        f"{file.name}:{node.name}": node.end_lineno - node.lineno + 1
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    }
    assert {name: n for name, n in lengths.items() if n > MAX_FUNCTION_LINES} == {}


def test_an_import_inside_a_function_says_which_library_it_defers() -> None:
    unmarked = []
    for file, tree in TREES.items():
        lines = file.read_text(encoding="utf-8").splitlines()
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        for function in functions:
            for node in ast.walk(function):
                if not isinstance(node, ast.Import | ast.ImportFrom):
                    continue
                text = "\n".join(lines[node.lineno - 2 : node.end_lineno])
                if "# lazy:" not in text:
                    unmarked.append(f"{file.relative_to(PACKAGE)}:{node.lineno}")
    assert unmarked == []
