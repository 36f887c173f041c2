"""The network that estimates properties, what it is told of crystals, and its errors."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from sunflow.crystals.crystal import Crystal
from sunflow.evaluation import property_features
from sunflow.evaluation.measures import FINGERPRINTS, measure
from sunflow.evaluation.prediction_error import control_errors, prediction_errors
from sunflow.evaluation.property_features import NUM_FEATURES, features_of
from sunflow.evaluation.property_network import Labelled, PropertyNetwork, fit

SIZES = {"hidden_dim": 32, "num_members": 3}


def known(features):
    """A function of three of six features, in units far from those of a network."""
    return 40 + 5 * features[:, 0] - 3 * np.abs(features[:, 1]) + 2 * features[:, 0] * features[:, 2]


def split(seed, count):
    features = np.random.default_rng(seed).normal(size=(count, 6))
    return Labelled(features, known(features))


@pytest.fixture(scope="module")
def trained():
    return fit(split(0, 800), split(1, 200), 7, **SIZES)


def test_it_learns_a_known_function(trained):
    network, epochs = trained
    train, test = split(0, 800), split(2, 400)
    predicted, _ = network.predict(test.features)
    errors, control = prediction_errors(test.values, predicted), control_errors(test.values, train.values)
    assert errors["mae"] < 0.15 * control["mae_of_median"]
    assert errors["r2"] > 0.97
    assert len(epochs) == 3 and min(epochs) > 5


def test_the_same_seed_gives_the_same_network_and_another_seed_another():
    train, val = split(0, 100), split(1, 50)
    state = torch.random.get_rng_state()
    one, again, other = (fit(train, val, seed, **SIZES)[0] for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), state), "the random numbers of others were touched"
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    assert not np.array_equal(one.predict(val.features)[0], other.predict(val.features)[0])


def test_units_do_not_matter():
    """Features and values in other units give the same answers in those units."""
    train, val, test = split(0, 200), split(1, 100), split(2, 50)
    scale, shift = np.array([1e3, 1e-2, 1.0, 5.0, 1.0, 1.0]), np.array([1e3, 0.0, -7.0, 0.0, 0.0, 0.0])

    def other(part):
        return Labelled(part.features * scale + shift, 1000 * part.values - 5e4)

    expected = fit(train, val, 0, **SIZES)[0].predict(test.features)[0]
    found = fit(other(train), other(val), 0, **SIZES)[0].predict(other(test).features)[0]
    np.testing.assert_allclose((found + 5e4) / 1000, expected, atol=0.2)


def test_a_constant_feature_is_no_danger_and_a_constant_property_is_learned():
    features = np.hstack([np.random.default_rng(0).normal(size=(60, 2)), np.full((60, 1), 0.3)])
    network, _ = fit(Labelled(features, np.full(60, 2.5)), Labelled(features, np.full(60, 2.5)), 0, **SIZES)
    np.testing.assert_allclose(network.predict(features)[0], 2.5, atol=0.2)


def test_the_answer_is_the_mean_of_the_members_and_their_spread_grows_away_from_what_they_know(trained):
    network, _ = trained
    near = split(5, 100).features
    answers = network(torch.as_tensor(near, dtype=torch.float32)).detach().double().numpy()
    mean, spread = network.predict(near)
    np.testing.assert_allclose(mean, answers.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(spread, answers.std(axis=0), rtol=1e-4)
    assert network.predict(8 * near)[1].mean() > 3 * spread.mean()


def test_no_crystals_have_no_answers():
    mean, spread = PropertyNetwork(4, **SIZES).predict(np.zeros((0, 4)))
    assert len(mean) == len(spread) == 0


def test_errors_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    true = random.normal(size=50)
    predicted = true + random.normal(size=50)
    errors = prediction_errors(true, predicted)
    assert errors["mae"] == pytest.approx(mean_absolute_error(true, predicted))
    assert errors["rmse"] == pytest.approx(root_mean_squared_error(true, predicted))
    assert errors["r2"] == pytest.approx(r2_score(true, predicted))
    assert errors["count"] == 50


def test_the_control_answers_with_one_number():
    true, train = np.array([0.0, 1.0, 5.0]), np.array([0.0, 0.0, 3.0])
    assert control_errors(true, train) == {"mae_of_mean": pytest.approx(5 / 3), "mae_of_median": pytest.approx(2.0)}


def test_errors_of_nothing_and_of_what_does_not_vary_are_missing():
    nothing = np.zeros(0)
    assert prediction_errors(nothing, nothing) == {"count": 0, "mae": None, "rmse": None, "r2": None}
    assert prediction_errors(np.ones(3), np.zeros(3))["r2"] is None
    assert control_errors(nothing, np.ones(2)) == {"mae_of_mean": None, "mae_of_median": None}


def salt(name, edge=4.0, numbers=(11, 17)):
    return Crystal(name, edge * np.eye(3), np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), np.array(numbers))


def test_features_are_those_that_were_measured_and_who_has_none_says_why():
    crystals = [salt("salt"), Crystal.failure("gone", "the sampler failed"), salt("flat", 0.2), salt("other", 5.0)]
    table = pd.DataFrame([measure(crystal) for crystal in crystals])
    features = features_of(table)
    assert features.crystal_ids == ["salt", "other"]
    assert features.values.shape == (2, NUM_FEATURES)
    row = table.set_index("crystal_id").loc["other"]
    expected = [*row["composition_fingerprint"], *row["structure_fingerprint"], row["density"], 62.5]
    np.testing.assert_allclose(features.values[1], expected)
    assert set(features.failures) == {"gone", "flat"}
    assert "the sampler failed" in features.failures["gone"]


def test_a_number_that_is_not_finite_is_no_feature():
    table = pd.DataFrame([measure(salt("salt")) | {"density": None}, measure(salt("other"))])
    features = features_of(table)
    assert features.crystal_ids == ["other"] and "not a finite number" in features.failures["salt"]


def test_a_set_without_features_is_empty():
    features = features_of(pd.DataFrame([measure(Crystal.failure("gone", "no"))]))
    assert features.values.shape == (0, NUM_FEATURES) and features.crystal_ids == []


def test_the_features_are_fingerprints_that_crystals_are_measured_by():
    assert set(property_features.FINGERPRINTS) == set(FINGERPRINTS)
    row = measure(salt("salt"))
    assert {name: len(row[name]) for name in FINGERPRINTS} == property_features.FINGERPRINTS
