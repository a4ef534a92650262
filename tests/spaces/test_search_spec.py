import pytest

from spaces import SearchSpec
from tests.spaces.builders import sentences_of

SECONDS = {"prune_by": "seconds", "min_seconds": "1m"}


def sentences(**search: object) -> list[str]:
    return sentences_of(SearchSpec, search)


@pytest.mark.parametrize(
    ("search", "sentence"),
    [
        (
            {"prune_by": "seconds"},
            "min_seconds is null, but must be set where prune_by is seconds; try 60",
        ),
        (
            SECONDS | {"pruner": "hyperband"},
            "pruner is 'hyperband', but must know the longest trial, so prunes by epochs only; "
            "try halving",
        ),
        (
            {"sampler": "grid", "learn_from": ["runs/first"]},
            "learn_from is ['runs/first'], but must be empty where sampler is grid, which learns "
            "nothing; try tpe",
        ),
        (
            {"sampler": "nsga2", "startup_trials": 1},
            "startup_trials is 1, but must be at least 2 for nsga2, which pairs; try 10",
        ),
        ({"sampler": "cmaes"}, "sampler is 'cmaes', but must be 'tpe', 'gp', 'nsga2', 'qmc', 'ran"),
        ({"repeat": 0}, "repeat is 0, but must be at least 1; try 1"),
        ({"percentile": 100}, "percentile is 100, but must be below 100; try 25.0"),
        ({"start_with": [{"dropout": [0.1]}]}, "start_with.0.dropout is [0.1], but must be a num"),
    ],
)
def test_options_that_do_not_go_together_are_refused_in_a_line(search, sentence):
    (line,) = sentences(**search)
    assert line.startswith(sentence)


@pytest.mark.parametrize(
    "search",
    [
        SECONDS,
        {"prune_by": "seconds", "pruner": "none"},
        {"sampler": "grid", "trials": None},
        {"sampler": "auto", "learn_from": ["runs/first"]},
    ],
)
def test_options_that_go_together_are_allowed(search):
    assert sentences(**search) == []
