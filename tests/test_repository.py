"""What must hold for the files of the repository themselves."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FOLDERS = (
    *("spaces", "trainables", "search", "analysis", "cytosweep"),
    *("benchmarks", "docs", "examples", "tests", ".ci"),
)

FORBIDDEN = {
    "a path of one machine": r"(?<![\w.~*-])/(?:home|Users|root|work)/\w|[A-Z]:\\Users",
    "a package registry": r"pypi[.]org|python[h]osted[.]org|pytorch[.]org/whl|anaconda[.]org",
    "a package index": r"https?://\S+/simple\b|file:///\w",
}
"""Patterns that no file may hold. None of them matches its own spelling here."""


def tracked_files() -> list[Path]:
    """Return the files that git tracks or, in a copy without git, those of the known folders."""
    git = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    if listed:
        paths = [ROOT / name for name in listed.rstrip("\0").split("\0")]
    else:
        paths = [*ROOT.glob("*"), *(path for name in FOLDERS for path in (ROOT / name).rglob("*"))]
    return [path for path in paths if path.is_file()]


def read_text(path: Path) -> str:
    """Return the text of a file, nothing for a binary one."""
    content = path.read_bytes()
    return "" if b"\0" in content else content.decode("utf-8", errors="replace")


def links(markdown: str) -> list[str]:
    """Return the targets of the links and images in a Markdown text, code blocks apart."""
    prose = re.sub(r"^```.*?^```", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(<?([^)\s>]+)", prose)


def anchors(markdown: str) -> set[str]:
    """Return the anchors that a reader's page gives to the headings of a Markdown text."""
    headings = re.findall(r"^#+ +(.+?) *$", markdown, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


@pytest.mark.parametrize("offence", FORBIDDEN)
def test_no_file_holds(offence: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tracked_files()
        for number, line in enumerate(read_text(path).splitlines(), start=1)
        if re.search(FORBIDDEN[offence], line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("offence", "line"),
    [
        ("a path of one machine", "data: /{}/someone/cells.parquet".format("home")),
        ("a path of one machine", '"/{}/me/runs"'.format("Users")),
        (
            "a package registry",
            "torch @ https://files.{}.org/torch.whl".format("python" + "hosted"),
        ),
        ("a package index", "--index-url https://mirror.example/{}/".format("simple")),
    ],
)
def test_the_patterns_find_what_they_are_there_for(offence: str, line: str) -> None:
    assert re.search(FORBIDDEN[offence], line)


def test_constraints_hold_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==\d+(\.\w+)+", line)] == []
    assert len(lines) == len({line.split("==")[0] for line in lines}) > 0


def test_readme_links_lead_to_files_and_headings_that_exist() -> None:
    readme = read_text(ROOT / "README.md")
    local = [target for target in links(readme) if not re.match(r"[a-z]+:", target)]
    pages = [target.partition("#") for target in local]
    assert [page for page, _, _ in pages if not (ROOT / page).exists()] == []
    assert [part for page, _, part in pages if not page and part not in anchors(readme)] == []


def test_continuous_integration_runs_the_tests_and_then_the_checks() -> None:
    script = ROOT / ".ci" / "run"
    commands = [line for line in read_text(script).splitlines() if line.startswith("make ")]
    assert commands == ["make test", "make check"]
    assert script.stat().st_mode & 0o111
