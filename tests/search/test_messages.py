import pickle

import pytest
from ray.tune.utils import flatten_dict

from search.messages import MESSAGE, EpochEnded, TrialEnded, TrialFailed
from tests.search.builders import SUMMARY, epoch_record

MESSAGES = [
    EpochEnded(record=epoch_record(), node="a"),
    TrialEnded(summary=SUMMARY),
    TrialFailed(error="ValueError: no"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_message_survives_the_way_to_the_driver(message):
    # Tune pickles a result in the trial's process and flattens it in the driver's.
    sent = pickle.loads(pickle.dumps({MESSAGE: message, "done": True}))
    assert flatten_dict(sent)[MESSAGE] == message
