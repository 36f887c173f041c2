import torch
from scipy import stats

from sunflow.flows.noise import CrystalNoise

SIZES = torch.tensor([3, 1, 5])
ROWS = torch.repeat_interleave(torch.arange(3), SIZES)


def test_a_crystal_has_the_same_noise_in_every_batch():
    together, alone = CrystalNoise([7, 8, 9]), CrystalNoise([9])
    for shape in ((), (3,), (3, 4), (2,)):
        ours = together.normal(ROWS, *shape)
        assert ours.shape == (9, *shape)
        torch.testing.assert_close(ours[4:], alone.normal(torch.zeros(5, dtype=int), *shape), rtol=0, atol=0)


def test_a_seed_is_all_that_noise_depends_on():
    ours, same, other = (
        CrystalNoise([seed]).normal(torch.zeros(4, dtype=int), 3) for seed in (2**62 + 1, 2**62 + 1, 2**62)
    )
    assert (ours == same).all() and (ours != other).all()


def test_noise_is_normal():
    noise = CrystalNoise(range(100))
    numbers = noise.normal(torch.repeat_interleave(torch.arange(100), 50), 40).flatten()
    assert stats.kstest(numbers.numpy(), "norm").pvalue > 1e-3
    for power, expected, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((numbers**power).mean() - expected) < 4.5 * (variance / len(numbers)) ** 0.5


def test_calls_rows_places_and_crystals_are_independent():
    noise = CrystalNoise(range(2000))
    rows = torch.arange(2000).repeat_interleave(20)
    first, second = noise.normal(rows, 10).reshape(2000, 20, 10), noise.normal(rows, 10).reshape(2000, 20, 10)
    pairs = {
        "calls": (first, second),
        "crystals": (first[1:], first[:-1]),
        "rows": (first[:, 1:], first[:, :-1]),
        "places": (first[..., 1:], first[..., :-1]),
        "rows and calls": (first[:, 1:], second[:, :-1]),
    }
    for name, (one, other) in pairs.items():
        for product in (one * other, (one**2 - 1) * (other**2 - 1) / 2):
            assert abs(product.mean()) < 4.5 / product.numel() ** 0.5, name


def test_extremes_are_finite():
    from sunflow.flows.noise import _mix

    bits = torch.tensor([-(2**63), -1, 0, 1, 2**63 - 1])
    assert len(_mix(bits).unique()) == 5
    numbers = CrystalNoise(range(1000)).normal(torch.arange(1000), 1000)
    assert numbers.isfinite().all() and numbers.abs().max() < 6


def test_places_of_a_batch_have_streams_of_their_own():
    ours, same, other = (CrystalNoise.of_batch(seed, torch.arange(3)).normal(ROWS, 3) for seed in (1, 1, 2**63 - 1))
    assert (ours == same).all() and (ours != other).all() and ours.shape == (9, 3)
    last = CrystalNoise.of_batch(1, torch.tensor([2])).normal(torch.zeros(5, dtype=int), 3)
    assert torch.equal(last, ours[4:])
    numbers = torch.cat(
        [CrystalNoise.of_batch(seed, torch.arange(100)).normal(torch.arange(100), 10) for seed in range(100)]
    )
    assert len(numbers.flatten().unique()) > 0.999 * numbers.numel()
    assert stats.kstest(numbers.flatten().numpy(), "norm").pvalue > 1e-3


def test_steps_are_equally_likely():
    steps = CrystalNoise(range(100_000)).steps(5)
    counts = torch.bincount(steps, minlength=6)
    assert counts[0] == 0 and stats.chisquare(counts[1:].numpy()).pvalue > 1e-3
    assert (CrystalNoise(range(100)).steps(1) == 1).all()
