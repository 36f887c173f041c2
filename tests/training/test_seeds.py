import torch

from sunflow.training.seeds import stream_seed


def test_streams_of_many_crystals_differ_in_the_bits_that_a_cpu_heeds():
    seeds = [stream_seed(0, "sampling noise", index) for index in range(100_000)]
    assert len({seed & 0xFFFFFFFF for seed in seeds}) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_streams_depend_on_seed_and_purpose():
    assert len({stream_seed(seed, purpose, 7) for seed in range(3) for purpose in "ab"}) == 6
    assert stream_seed(1, "a", 7) == stream_seed(1, "a", 7)


def test_first_numbers_of_streams_are_uniform_and_uncorrelated():
    draws = torch.stack(
        [torch.rand(2, generator=torch.Generator().manual_seed(stream_seed(0, "x", index))) for index in range(20_000)]
    )
    assert torch.allclose(draws.mean(0), torch.tensor(0.5), atol=0.01)  # five standard errors
    neighbours = torch.corrcoef(torch.stack([draws[:-1, 0], draws[1:, 0], draws[:-1, 1]]))
    assert (neighbours - torch.eye(3)).abs().max() < 0.035
