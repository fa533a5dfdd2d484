from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from llmood.measures.moments import moments_of
from llmood.measures.subspace import (
    fit_neco,
    neco,
    principal_subspace,
    residual_norm,
    vim,
    vim_origin,
    vim_scaled,
    vim_subspace,
)


def world(samples: int = 80, width: int = 6, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(samples, width)) @ np.diag(2.0 ** np.arange(width)) @ np.linalg.qr(
        generator.normal(size=(width, width))
    )[0] + generator.normal(size=width)


def head(width: int = 6, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(7)
    return generator.normal(size=(classes, width)), generator.normal(size=classes)


class TestReconstruction:
    @pytest.mark.parametrize("dimensions", [1, 3, 0.9, 0.5])
    def test_scikit_learn(self, dimensions: float) -> None:
        states, others = world(), world(20, seed=1)
        pca = PCA(dimensions, svd_solver="full").fit(states)
        moments = moments_of(states)
        subspace = principal_subspace(moments.scatter / moments.samples, moments.mean, dimensions)
        assert subspace.directions.shape[1] == pca.n_components_
        expected = np.linalg.norm(others - pca.inverse_transform(pca.transform(others)), axis=1)
        np.testing.assert_allclose(residual_norm(others, subspace), expected, rtol=1e-9)
        np.testing.assert_allclose(
            subspace.variances, pca.explained_variance_ * (len(states) - 1) / len(states), rtol=1e-9
        )

    def test_inside_and_orthogonal(self) -> None:
        subspace = principal_subspace(np.diag([4.0, 1.0, 0.0]), np.array([1.0, 1.0, 1.0]), 2)
        states = np.array([[7.0, -3.0, 1.0], [1.0, 1.0, 6.0]])
        np.testing.assert_allclose(residual_norm(states, subspace), [0.0, 5.0], atol=1e-12)

    def test_fewer_samples_than_dimensions(self) -> None:
        states = world(4, 10)
        moments = moments_of(states)
        subspace = principal_subspace(moments.scatter / moments.samples, moments.mean, 3)
        np.testing.assert_allclose(residual_norm(states, subspace), 0.0, atol=1e-9)

    @pytest.mark.parametrize("dimensions", [0, 4, 1.0, 0.0, -0.5, 2.0])
    def test_dimensions(self, dimensions: float) -> None:
        with pytest.raises(ValueError, match="int from 1 to 3"):
            principal_subspace(np.eye(3), np.zeros(3), dimensions)

    def test_no_variance(self) -> None:
        with pytest.raises(ValueError, match="don't vary"):
            principal_subspace(np.zeros((3, 3)), np.zeros(3), 1)


class TestVim:
    def test_pytorch_ood_s_formula(self) -> None:
        states, others = world(), world(20, seed=1)
        (weights, bias), kept = head(), 2
        logits, other_logits = states @ weights.T + bias, others @ weights.T + bias
        # As its ViM computes them: eigenvectors of the uncentred covariance, all but the largest.
        origin = -np.linalg.pinv(weights) @ bias
        values, vectors = np.linalg.eig((states - origin).T @ (states - origin) / len(states))
        rest = vectors[:, np.argsort(-values)[kept:]]
        alpha = logits.max(axis=1).mean() / np.linalg.norm((states - origin) @ rest, axis=1).mean()
        residual = np.linalg.norm((others - origin) @ rest, axis=1)
        expected = -(logsumexp(other_logits, axis=1) - alpha * residual)

        subspace = vim_subspace(moments_of(states), vim_origin(weights, bias), kept)
        fitted = vim_scaled(states, logits, subspace)
        assert fitted.alpha == pytest.approx(alpha, rel=1e-9)
        np.testing.assert_allclose(residual_norm(others, subspace), residual, rtol=1e-9)
        np.testing.assert_allclose(vim(others, other_logits, fitted), expected, rtol=1e-9)

    def test_in_principal_space_it_is_the_energy(self) -> None:
        states, (weights, bias) = world(), head()
        subspace = vim_subspace(moments_of(states), vim_origin(weights, bias), 2)
        fitted = vim_scaled(states, states @ weights.T + bias, subspace)
        inside = subspace.origin + np.array([[1.0, -2.0], [0.5, 3.0]]) @ subspace.directions.T
        logits = inside @ weights.T + bias
        np.testing.assert_allclose(vim(inside, logits, fitted), -logsumexp(logits, axis=1), rtol=1e-9)

    def test_the_origin_s_logits_are_0_where_classes_are_fewer_than_dimensions(self) -> None:
        weights, bias = head()
        np.testing.assert_allclose(weights @ vim_origin(weights, bias) + bias, 0.0, atol=1e-12)
        assert vim_origin(weights, None).tolist() == [0.0] * 6

    def test_usual_dimensions_of_a_narrow_model(self) -> None:
        moments = moments_of(world())
        origin = np.zeros(6)
        assert (
            vim_subspace(moments, origin).directions.shape
            == vim_subspace(moments, origin, 0.9).directions.shape
        )

    def test_alpha_that_would_turn_the_score_round(self) -> None:
        states, (weights, bias) = world(), head()
        subspace = vim_subspace(moments_of(states), vim_origin(weights, bias), 2)
        with pytest.raises(ValueError, match="needs it above 0"):
            vim_scaled(states, states @ weights.T - 1e4, subspace)

    def test_no_residual(self) -> None:
        states, (weights, bias) = world(), head()
        subspace = vim_subspace(moments_of(states), vim_origin(weights, bias), 6)
        with pytest.raises(ValueError, match="fewer dimensions"):
            vim_scaled(states, states @ weights.T + 100, subspace)


class TestNeco:
    def test_published_formula(self) -> None:
        states, others = world(), world(20, seed=1)
        scaler = StandardScaler().fit(states)
        pca = PCA(3, svd_solver="full").fit(scaler.transform(states))
        rows = scaler.transform(others)
        ratio = np.linalg.norm(pca.transform(rows), axis=1) / np.linalg.norm(rows, axis=1)
        fitted = fit_neco(moments_of(states), 3)
        np.testing.assert_allclose(neco(others, fitted), -ratio, rtol=1e-9)
        logits = np.linspace(-5, 5, 20)
        np.testing.assert_allclose(neco(others, fitted, logits), -ratio * np.log1p(np.exp(logits)), rtol=1e-9)

    def test_inside_is_1_and_orthogonal_0(self) -> None:
        fitted = fit_neco(moments_of(world()), 2)
        rest = np.linalg.svd(fitted.directions.T)[2][2:]
        rows = np.concatenate([fitted.directions.T * 3, rest[:1]]) * fitted.scale + fitted.mean
        np.testing.assert_allclose(neco(rows, fitted), [-1.0, -1.0, 0.0], atol=1e-9)
        assert neco(fitted.mean[None], fitted).tolist() == [-1.0]

    def test_a_constant_feature_tells_others_apart(self) -> None:
        states = world()
        states[:, 4] = 0.1
        fitted = fit_neco(moments_of(states), 0.99)
        assert fitted.scale[4] == 1.0
        other = states[:1].copy()
        other[0, 4] += 1e6
        assert neco(other, fitted)[0] == pytest.approx(0.0, abs=1e-4)
        assert (neco(states, fitted) < -0.5).all()

    def test_a_negative_max_logit_keeps_the_order(self) -> None:
        states = world()
        fitted = fit_neco(moments_of(states), 2)
        plain, weighted = neco(states, fitted), neco(states, fitted, np.full(len(states), -3.0))
        assert np.argsort(plain).tolist() == np.argsort(weighted).tolist()


def test_bad_input() -> None:
    subspace = principal_subspace(np.eye(3), np.zeros(3), 1)
    with pytest.raises(ValueError, match="3 columns"):
        residual_norm(np.zeros((2, 4)), subspace)
    with pytest.raises(ValueError, match="holds NaN"):
        neco(np.full((1, 6), np.nan), fit_neco(moments_of(world()), 2))
