import pickle

from ray.tune.search import Searcher

from search.tune_searcher import StudySearcher
from tests.search.builders import SPACE, open_study


def test_searcher_hands_over_what_the_study_suggests(tmp_path):
    study = open_study(tmp_path, space=SPACE)
    config = StudySearcher(study).suggest("any id")
    (trial,) = study.trials()
    expected = {"number": 0, "params": trial.params, "seed": trial.user_attrs["seed"]}
    assert config == expected


def test_searcher_without_a_further_trial_says_so_in_tunes_word(tmp_path):
    searcher = StudySearcher(open_study(tmp_path, search={"trials": 1}))
    searcher.suggest("a")
    assert searcher.suggest("b") == Searcher.FINISHED


def test_searcher_pickles_without_its_study_and_saves_no_file(tmp_path):
    searcher = StudySearcher(open_study(tmp_path))
    searcher.save(str(tmp_path / "searcher"))
    searcher.restore(str(tmp_path / "searcher"))
    assert not (tmp_path / "searcher").exists()
    assert vars(pickle.loads(pickle.dumps(searcher))) == {}
