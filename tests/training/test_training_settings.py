import pytest

from sunflow.training.settings import TrainingSettings


def test_unknown_key_is_named():
    with pytest.raises(ValueError, match=r"training\.learnin_rate .* known are epochs, batch_size"):
        TrainingSettings.from_dict({"learnin_rate": 1e-3})


@pytest.mark.parametrize(
    ("key", "value"), [("epochs", 0), ("batch_size", 0), ("learning_rate", -1.0), ("averaging_decay", 1.5)]
)
def test_value_out_of_range_is_named(key, value):
    with pytest.raises(ValueError, match=rf"training\.{key} is"):
        TrainingSettings.from_dict({key: value})


def test_null_switches_off():
    settings = TrainingSettings.from_dict({"max_gradient_norm": None, "early_stopping": None})
    assert settings.max_gradient_norm is None and settings.early_stopping is None
