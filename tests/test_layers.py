"""The layers of the packages, as their imports show them."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MAY_IMPORT = {
    "spaces": set(),
    "trainables": {"spaces"},
    "search": {"spaces", "trainables"},
    "analysis": {"spaces", "trainables"},
    "cytosweep": {"spaces", "trainables", "search", "analysis"},
}
"""Each package of ours, and the others that it may import."""

HOMES = {"ray": {"search"}, "optuna": {"search", "analysis"}}
"""The libraries that only some packages may import."""


def parse_modules(package: str) -> dict[str, ast.Module]:
    """Return the modules of a package, parsed, by their path from the root."""
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def imported_names(module: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the top-level name and the line of every import, those in functions included."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0], node.lineno


def is_reexport(statement: ast.stmt) -> bool:
    """Return whether a statement is an import or sets `__all__`."""
    if isinstance(statement, ast.Assign):
        return [ast.unparse(target) for target in statement.targets] == ["__all__"]
    return isinstance(statement, (ast.Import, ast.ImportFrom))


def test_the_layers_name_every_package_that_is_installed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(settings["tool"]["setuptools"]["packages"]) == set(MAY_IMPORT)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_the_layers_below_it_and_the_libraries_at_home_in_it(
    package: str,
) -> None:
    forbidden = MAY_IMPORT.keys() - MAY_IMPORT[package] - {package}
    forbidden |= {library for library, homes in HOMES.items() if package not in homes}
    modules = parse_modules(package)
    offences = [
        f"{path}:{line} imports {name}"
        for path, module in modules.items()
        for name, line in imported_names(module)
        if name in forbidden
    ]
    assert modules
    assert offences == []


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_an_init_file_holds_a_docstring_imports_and_all_but_no_code(package: str) -> None:
    inits = {p: m for p, m in parse_modules(package).items() if Path(p).name == "__init__.py"}
    code = [
        f"{path}:{statement.lineno}"
        for path, module in inits.items()
        for statement in module.body[1:]
        if not is_reexport(statement)
    ]
    assert f"{package}/__init__.py" in {Path(path).as_posix() for path in inits}
    assert [path for path, module in inits.items() if ast.get_docstring(module) is None] == []
    assert code == []


def test_importing_trainables_and_spaces_loads_neither_ray_nor_optuna() -> None:
    program = "import sys, trainables, spaces; print(*({'ray', 'optuna'} & sys.modules.keys()))"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []
