"""`contracts` holds frozen dataclasses of plain values, and nothing that could do anything."""

import ast
import sys
from pathlib import Path

import pytest

import contracts

SOURCES = sorted(Path(contracts.__path__[0]).rglob("*.py"))
DATACLASS = "dataclass(frozen=True, slots=True, kw_only=True)"


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
class TestAModuleOfContracts:
    def test_imports_the_standard_library_and_contracts_alone(self, source: Path):
        imported = set()
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])

        assert imported <= {*sys.stdlib_module_names, "contracts"}

    def test_defines_nothing_but_frozen_dataclasses_and_literals(self, source: Path):
        for node in ast.parse(source.read_text()).body:
            if is_docstring(node) or isinstance(node, ast.Import | ast.ImportFrom):
                continue
            if isinstance(node, ast.Assign):
                assert ast.unparse(node.value).startswith("Literal[")
                continue
            assert isinstance(node, ast.ClassDef), ast.unparse(node)
            assert [ast.unparse(each) for each in node.decorator_list] == [DATACLASS]
            assert not node.bases
            assert all(
                is_docstring(statement) or isinstance(statement, ast.AnnAssign)
                for statement in node.body
            ), f"{node.name} does something"
