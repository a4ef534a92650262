from tests.analysis.builders import bright_cells, names_in
from tests.cytosweep.builders import cytosweep, refused


def test_audit_writes_manifest_summary_and_page(capsys, tmp_path):
    cells = bright_cells(tmp_path / "cells.npz", 30)
    answer = cytosweep(capsys, "audit", cells, "-o", tmp_path / "audit", "--fast", "--json")
    assert answer.code == 0
    assert answer.json()["rows"] == 30
    assert names_in(tmp_path / "audit") == ["audit.html", "manifest.parquet", "summary.json"]


def test_audit_into_the_folder_of_another_is_refused(capsys, tmp_path):
    cells = bright_cells(tmp_path / "cells.npz", 30)
    cytosweep(capsys, "audit", cells, "-o", tmp_path / "audit", "--fast")
    line = refused(capsys, tmp_path, "audit", cells, "-o", tmp_path / "audit", "--fast")
    assert line == f"{tmp_path / 'audit'}: holds an audit already; give another folder"


def test_audit_into_what_is_no_folder_is_refused_before_it_begins(capsys, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    line = refused(capsys, tmp_path, "audit", "none.npz", "-o", file / "audit")
    assert line == f"{file / 'audit'}: cannot be made, {file} is no folder; give another folder"


def test_audit_of_nothing_is_refused_and_leaves_nothing(capsys, tmp_path):
    line = refused(capsys, tmp_path, "audit", tmp_path / "none.npz", "-o", tmp_path / "audit")
    assert line.startswith(f"{tmp_path / 'none.npz'}: no such file")
