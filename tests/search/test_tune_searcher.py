import pickle

from ray.tune.search import Searcher

from search.tune_searcher import StudySearcher
from search.tune_stopper import SweepStopper
from tests.search.builders import SPACE, open_study, sweep_spec


def searcher_of(study, places=2):
    searcher = StudySearcher(study, SweepStopper())
    assert searcher.set_max_concurrency(places)
    return searcher


def test_searcher_hands_over_what_the_study_suggests(tmp_path):
    study = open_study(tmp_path, space=SPACE)
    config = searcher_of(study).suggest("any id")
    (trial,) = study.trials()
    expected = {"number": 0, "params": trial.params, "seed": trial.user_attrs["seed"]}
    assert config == expected


def test_searcher_says_in_tunes_word_that_there_is_no_further_trial_once_the_last_has_ended(
    tmp_path,
):
    searcher = searcher_of(open_study(tmp_path, search={"trials": 1}))
    searcher.suggest("a")
    assert searcher.suggest("b") is None
    searcher.on_trial_complete("a")
    assert searcher.suggest("b") == Searcher.FINISHED


def test_searcher_goes_on_where_the_sweep_is_extended_while_its_last_trial_runs(tmp_path):
    study = open_study(tmp_path, search={"trials": 1})
    searcher = searcher_of(study)
    searcher.suggest("a")
    study.extend(sweep_spec(search={"trials": 2}))
    assert searcher.suggest("b")["number"] == 1


def test_searcher_suggests_nothing_while_as_many_run_as_may_which_can_change(tmp_path):
    searcher = searcher_of(open_study(tmp_path), places=1)
    assert searcher.suggest("a")
    assert searcher.suggest("b") is None
    searcher.set_max_concurrency(2)
    assert searcher.suggest("b")
    searcher.set_max_concurrency(1)
    searcher.on_trial_complete("a")
    assert searcher.suggest("c") is None


def test_searcher_begins_no_trial_once_the_sweep_is_to_end(tmp_path):
    study, stopper = open_study(tmp_path), SweepStopper()
    stopper.stop_by_user()
    assert StudySearcher(study, stopper).suggest("a") == Searcher.FINISHED
    assert study.trials() == []


def test_searcher_pickles_without_its_study_and_saves_no_file(tmp_path):
    searcher = searcher_of(open_study(tmp_path))
    searcher.save(str(tmp_path / "searcher"))
    searcher.restore(str(tmp_path / "searcher"))
    assert not (tmp_path / "searcher").exists()
    assert vars(pickle.loads(pickle.dumps(searcher))) == {}
