import pytest

from domain.feel.limits import RESULT_CHARACTERS_MAX, FeelEvaluationError
from domain.feel.values import to_json


def test_a_string_counts_each_time_that_it_is_written() -> None:
    shared = "x" * (1024 * 1024)
    most = RESULT_CHARACTERS_MAX // len(shared)

    assert to_json([shared] * most) == [shared] * most
    for large in ([shared] * (most + 1), {"a": [{shared: shared}] * most}):
        with pytest.raises(FeelEvaluationError, match="the strings of the result have more than 8388608 characters"):
            to_json(large)
