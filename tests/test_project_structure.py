from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.project import PACKAGES, ROOT, sources

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, _FUNCTIONS))


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """From def to the last line; the docstring is not the function's length."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def test_no_file_is_longer_than_its_reader_can_hold():
    lengths = {
        _name(path): len(path.read_text().splitlines()) for path in sources(*PACKAGES, "tests", "bench")
    }
    assert {name: length for name, length in lengths.items() if length > MAX_FILE_LINES} == {}


def test_no_function_is_longer_than_a_screen():
    long = [
        f"{_name(path)}:{node.lineno} {node.name}: {_body_lines(node)}"
        for path in sources(*PACKAGES, "bench")
        for node in _functions(path)
        if _body_lines(node) > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_every_module_says_what_it_owns():
    silent = [
        _name(path) for path in sources(*PACKAGES) if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_nothing_is_left_for_later():
    marks = ("TO" + "DO", "FIX" + "ME", "X" * 3)
    found = [
        f"{_name(path)}: {mark}"
        for path in sources(*PACKAGES, "bench")
        for mark in marks
        if mark in path.read_text()
    ]
    assert found == []


def test_the_import_contracts_hold():
    program = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run(
        [str(program), "--no-logo", "--no-cache"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout


def test_the_shim_imports_with_the_standard_library_alone():
    modules = [
        f"engine.shim.{path.stem}"
        for path in sources("engine/shim")
        if path.stem not in {"__init__", "__main__"}
    ]
    code = f"import sys; sys.path.insert(0, {ROOT!r})\nimport {', '.join(modules)}"
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], check=False, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")
