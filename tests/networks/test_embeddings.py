import math

import pytest
import torch

from sunflow.networks.embeddings import FourierFeatures, TimeEmbedding, concentration_signal


def test_concentration_signal_is_the_decimal_logarithm():
    signal = concentration_signal(torch.tensor([0.0, 0.125, 1, 10, 1000], dtype=torch.float64), 1000.0)
    known = torch.tensor([0, 0.7 + math.log10(0.125) / 10, 0.7, 0.8, 1], dtype=torch.float64)
    torch.testing.assert_close(signal, known, rtol=0, atol=1e-6)
    assert signal[0] == 0


def test_fourier_features_are_periodic_and_complete():
    features = FourierFeatures(8)
    angles = torch.rand(10, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert features(angles).shape == (10, 48)
    torch.testing.assert_close(features(angles + 2 * math.pi), features(angles), rtol=0, atol=1e-12)
    sines, cosines = features(angles).reshape(10, 2, 3, 8).unbind(1)
    torch.testing.assert_close(torch.atan2(sines[..., 1], cosines[..., 1]), angles)
    torch.testing.assert_close(cosines[..., 5], torch.cos(5 * angles))


def test_time_embedding_tells_neighbouring_steps_and_both_ends_apart():
    embedding = TimeEmbedding(128)
    vectors = embedding(torch.linspace(0, 1, 1001))
    assert vectors.shape == (1001, 128)
    distance = torch.cdist(vectors, vectors) + 10 * torch.eye(1001)
    assert distance.min() > 0.5
    torch.testing.assert_close(vectors[3, 0], torch.sin(torch.tensor(3.0)))


@pytest.mark.parametrize("dim", [2, 7, 0])
def test_time_embedding_needs_an_even_length(dim):
    with pytest.raises(ValueError, match=f"time_dim is {dim}"):
        TimeEmbedding(dim)
