from analysis import TrialTable
from cytosweep.demo import _free, _tell_what_clean_validation_would_choose
from tests.analysis.builders import complete, names_in, write_run
from tests.cytosweep.builders import cytosweep, refused
from tests.spaces.builders import raising


def test_demo_takes_the_first_folder_that_is_free(tmp_path):
    names = []
    for _ in range(3):
        names.append(_free(tmp_path / "demo").name)
        (tmp_path / names[-1]).mkdir()
    assert names == ["demo", "demo-2", "demo-3"]


def test_demo_compares_what_the_two_rules_choose(capsys, tmp_path, monkeypatch):
    class Shifted:
        def __init__(self, model, data):
            asked.append((model.parts[-3], data))
            self.accuracy = 0.5

    asked = []
    monkeypatch.setattr("analysis.evaluate", Shifted)
    paths = write_run(tmp_path / "run", complete(0.5), complete(0.75))
    paths.trial(1).best.mkdir(parents=True)
    _tell_what_clean_validation_would_choose(TrialTable(paths.root))
    out = capsys.readouterr().out
    assert "best clean validation accuracy" in out
    assert "best robust_accuracy" in out
    assert set(asked) == {("1", "synthetic:blood-cells#shifted")}


def test_demo_puts_its_sweep_file_beside_the_run_under_its_whole_name(
    capsys, tmp_path, monkeypatch
):
    monkeypatch.setattr("cytosweep.demo.audit", raising(KeyboardInterrupt()))
    cytosweep(capsys, "demo", "--run", tmp_path / "v1.2")
    assert names_in(tmp_path) == ["v1.2.yaml"]


def test_demo_into_the_folder_of_an_earlier_audit_is_refused(capsys, tmp_path):
    (tmp_path / "first-audit").mkdir()
    line = refused(capsys, tmp_path, "demo", "--run", tmp_path / "first")
    assert line == (f"{tmp_path / 'first-audit'}: exists already; remove it, or give another --run")


def test_demo_into_a_folder_that_is_not_empty_is_refused_and_leaves_nothing(capsys, tmp_path):
    run = write_run(tmp_path / "run", complete(0.5)).root
    line = refused(capsys, tmp_path, "demo", "--run", run)
    assert line == f"{run}: is not empty; give another --run"


def test_demo_keeps_a_sweep_file_that_is_not_its_own(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("cytosweep.demo.audit", raising(KeyboardInterrupt()))
    (tmp_path / "sweep.yaml").write_text("mine")
    refused(capsys, tmp_path, "demo", "--run", tmp_path / "sweep")
