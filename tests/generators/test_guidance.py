"""Both generators by Bayesian flow are asked for a property through the same code."""

import math
from collections import Counter
from typing import NamedTuple

import pytest
import torch

from sunflow.crystals.batch import CrystalBatch
from sunflow.flows.accuracy_schedule import accuracy_schedule
from sunflow.flows.noise import CrystalNoise
from sunflow.generators.generator import Condition, build
from sunflow.generators.guidance import Guidance, guided
from sunflow.generators.precedents import Precedents
from sunflow.networks.embeddings import PropertyEmbedding

STATISTICS = {"properties": {"band_gap": {"mean": 1.0, "std": 2.0}}}
SMALL = {"hidden_dim": 32, "num_layers": 2, "num_frequencies": 8, "time_dim": 16, "property": "band_gap"}


class Output(NamedTuple):
    lattice: torch.Tensor
    types: torch.Tensor


def train_split(num=4000):
    """Fm-3m has one atom and a gap around 0, P1 three atoms and a gap around 4; some gaps are unknown."""
    insulator = torch.arange(num) % 4 == 0
    noise = CrystalNoise.of_batch(0, torch.arange(num)).normal(torch.arange(num))
    gap = torch.where(insulator, 4.0, 0.0) + 0.5 * noise
    gap[1::100] = math.nan
    sizes = torch.where(insulator, 3, 1)
    return CrystalBatch(
        lattice=torch.eye(3).expand(num, 3, 3),
        frac_coords=torch.zeros(int(sizes.sum()), 3),
        atomic_numbers=torch.ones(int(sizes.sum()), dtype=torch.int64),
        num_atoms=sizes,
        space_group=torch.where(insulator, 1, 225),
        wyckoff=torch.zeros(int(sizes.sum()), dtype=torch.int64),
        properties={"band_gap": gap},
    )


@pytest.fixture
def precedents():
    precedents = Precedents()
    precedents.remember(train_split(), "band_gap")
    return precedents


def test_guidance_is_linear_in_its_weight():
    def network(target):
        value = torch.zeros(2) if target is None else target
        return Output(value + 1, 3 * value)

    target = torch.tensor([1.0, 2.0])
    for weight in (0.0, 0.5, 1.0, 3.0):
        output = guided(network, target, weight)
        torch.testing.assert_close(tuple(output), (weight * target + 1, 3 * weight * target))
    assert torch.equal(guided(network, None, 3.0).lattice, torch.ones(2))


def test_properties_are_standardised_and_kept_secret_as_often_as_asked():
    guidance = Guidance("band_gap", 0.25, STATISTICS)
    crystals = train_split()
    told = guidance.of_training(crystals, CrystalNoise.of_batch(3, torch.arange(len(crystals))))
    known = crystals.properties["band_gap"].isfinite()
    kept = told.isfinite()
    assert not kept[~known].any()
    assert kept[known].double().mean().item() == pytest.approx(0.75, abs=0.02)
    torch.testing.assert_close(told[kept], (crystals.properties["band_gap"][kept] - 1) / 2)
    asked = Condition(torch.ones(2, dtype=torch.int64), target=torch.tensor([1.0, 5.0]))
    assert guidance.of_sampling(asked).tolist() == [0.0, 2.0]
    with pytest.raises(ValueError, match=r"model\.property is 'colour', which is no number in the train split"):
        Guidance("colour", 0.1, STATISTICS)


def test_the_embedding_tells_values_apart_and_has_one_for_none():
    embedding = PropertyEmbedding(64)
    values = torch.linspace(-4, 4, 200)
    vectors = embedding(values)
    distances = torch.cdist(vectors, vectors) + 10 * torch.eye(200)
    assert distances.min() > 0.1
    torch.testing.assert_close(embedding(torch.tensor([math.nan]))[0], embedding.none)
    embedding(torch.tensor([math.nan, 1.0])).sum().backward()
    assert embedding.none.grad.isfinite().all()


def test_precedents_have_the_proportions_of_the_train_split(precedents):
    drawn = Counter(precedents.draw(range(4000), 1, None, None))
    assert set(drawn) == {(225, 1), (1, 3)}
    assert drawn[(1, 3)] / 4000 == pytest.approx(0.25, abs=0.02)
    assert set(precedents.draw(range(100), 2, None, None)) == {(1, 3)}


@pytest.mark.parametrize("target, expected", [(4.0, (1, 3)), (-0.3, (225, 1)), (9.0, (1, 3)), (-4.0, (225, 1))])
def test_precedents_agree_with_the_target(precedents, target, expected):
    drawn = Counter(precedents.draw(range(300), 1, None, target))
    assert drawn[expected] == 300


@pytest.mark.parametrize("target", [9.0, 50.0, -1e4])
def test_a_target_beyond_the_data_has_many_precedents(precedents, target):
    precedents.num_atoms = torch.arange(len(precedents.num_atoms))
    drawn = Counter(precedents.draw(range(1000), 0, None, target))
    assert len(drawn) > 40 and max(drawn.values()) < 100


def test_precedents_of_allowed_space_groups(precedents):
    assert set(precedents.draw(range(100), 1, [1, 2], 0.0)) == {(1, 3)}
    family = precedents.draw(range(400), 1, [216, 230], None)
    assert set(family) == {(216, 1), (230, 1)} and Counter(family)[(216, 1)] == pytest.approx(200, abs=50)
    assert {group for group, _ in precedents.draw(range(100), 1, [139], None)} == {139}
    assert set(Counter(precedents.draw(range(300), 1, [198, 227, 230], 0.0))) == {(198, 1), (227, 1), (230, 1)}
    assert set(precedents.draw(range(100), 2, [227], None)) == {(227, 3)}, "no cubic crystal has two atoms or more"


def test_space_groups_that_will_not_be_made_are_named(precedents, caplog):
    caplog.set_level("INFO")
    precedents.draw(range(3), 1, [225, 230], None)
    assert "[230]" in caplog.text
    with pytest.raises(ValueError, match="no crystal of 4 atoms or more"):
        precedents.draw([1], 4, None, None)


def test_precedents_are_part_of_the_weights(precedents):
    other = Precedents()
    other.load_state_dict(precedents.state_dict())
    assert other.draw(range(50), 1, None, 4.0) == precedents.draw(range(50), 1, None, 4.0)


@pytest.mark.parametrize("kind", ["crysbfn", "symmbfn"])
def test_a_property_that_matters_is_learned(kind, statistics, crystals, asymmetric_units, space_groups):
    """Trained on crystals whose only element tells the property, a generator makes the element that is asked for."""
    torch.manual_seed(0)
    units = (asymmetric_units if kind == "symmbfn" else crystals).part(
        torch.tensor([0, 0, 0, 0, 0, 0, 0, 0]), torch.tensor([0] * 8)
    )
    gap = torch.tensor([-1.0, 3.0] * 4)
    known = {name: value for name, value in vars(units).items() if name not in ("properties", "failures")}
    known["atomic_numbers"] = torch.tensor([8, 26] * 4)
    split = CrystalBatch(**known, properties={"band_gap": gap})
    generator = build(
        kind, "generation", SMALL | {"type_accuracy": 4.0}, statistics, accuracy_schedule("universal", 10, 1000.0)
    )
    generator.remember(split, space_groups)
    optimizer = torch.optim.Adam(generator.parameters(), lr=3e-3)
    for step in range(400):
        optimizer.zero_grad()
        terms = generator.loss(split, CrystalNoise.of_batch(step, torch.arange(8)))
        torch.stack([rows.mean() for rows in terms.values()]).sum().backward()
        optimizer.step()
    group = None if kind == "crysbfn" else split.space_group[:1].expand(20)
    sizes = split.num_atoms[:1].expand(20)
    for target, element in ((-1.0, 8), (3.0, 26)):
        asked = Condition(sizes, space_group=group, target=torch.full((20,), target), guidance=2.0)
        made = generator.sample(asked, list(range(20)), "bayes")
        share = (made.atomic_numbers == element).double().mean()
        assert share > 0.8
