from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llmood.measures.kernel_entropy import (
    entailment_weights,
    graph_laplacian,
    heat_kernel,
    kernel_language_entropy,
    matern_kernel,
    unit_trace,
    von_neumann_entropy,
)
from llmood.measures.similarity_graph import (
    degree_uncertainty,
    eccentricity,
    laplacian_eigenvalue_sum,
)

GRAPHS = st.integers(1, 6).flatmap(lambda k: arrays(float, (k, k), elements=st.floats(0, 1)))


def with_diagonal(graph: np.ndarray) -> np.ndarray:
    graph = graph.copy()
    np.fill_diagonal(graph, 1.0)
    return graph


def cliques(*sizes: int) -> np.ndarray:
    return scipy.linalg.block_diag(*(np.ones((size, size)) for size in sizes))


class TestLin:
    @pytest.mark.parametrize("k", [1, 2, 6])
    def test_all_alike(self, k: int) -> None:
        assert degree_uncertainty(np.ones((k, k))) == 0.0
        assert laplacian_eigenvalue_sum(np.ones((k, k))) == pytest.approx(1.0, abs=1e-12)
        assert eccentricity(np.ones((k, k))) == pytest.approx(0.0, abs=1e-12)

    @pytest.mark.parametrize("k", [2, 5])
    def test_all_different(self, k: int) -> None:
        assert degree_uncertainty(np.eye(k)) == pytest.approx(1 - 1 / k, abs=1e-12)
        assert laplacian_eigenvalue_sum(np.eye(k)) == pytest.approx(k, abs=1e-12)
        # The embedding is all of space, less its centre.
        assert eccentricity(np.eye(k)) == pytest.approx(math.sqrt(k - 1), abs=1e-12)

    def test_cliques_are_meanings(self) -> None:
        graph = cliques(3, 2)
        # 9 + 4 of 25 ordered pairs are alike.
        assert degree_uncertainty(graph) == pytest.approx(1 - 13 / 25, abs=1e-12)
        assert laplacian_eigenvalue_sum(graph) == pytest.approx(2.0, abs=1e-12)
        # One constant direction is lost: 2 − (1/5)·Σ P_ij, P the projection on both, whose blocks are 1/3 and 1/2.
        assert eccentricity(graph) == pytest.approx(math.sqrt(2 - (3 + 2) / 5), abs=1e-12)

    def test_two_answers_by_hand(self) -> None:
        graph = np.array([[1.0, 0.4], [0.2, 1.0]])
        # Both directions average to 0.3; eigenvalues of I − W/1.3 are 0 and 1 − 0.7/1.3.
        assert degree_uncertainty(graph) == pytest.approx(1 - 2.6 / 4, abs=1e-12)
        assert laplacian_eigenvalue_sum(graph) == pytest.approx(1 + 0.7 / 1.3, abs=1e-12)
        # Both eigenvalues are below 0.9, the second vector is (1, −1)/√2; below 0.4 only the constant one is.
        assert eccentricity(graph) == pytest.approx(1.0, abs=1e-12)
        assert eccentricity(graph, threshold=0.4) == pytest.approx(0.0, abs=1e-12)

    @given(GRAPHS, st.data())
    def test_the_order_of_draws_changes_nothing(self, graph: np.ndarray, choice: st.DataObject) -> None:
        graph = with_diagonal(graph)
        order = choice.draw(st.permutations(range(len(graph))))
        turned = graph[np.ix_(order, order)]
        for function in (degree_uncertainty, laplacian_eigenvalue_sum):
            assert function(turned) == pytest.approx(function(graph), abs=1e-9)
        assert eccentricity(turned, 1e9) ** 2 == pytest.approx(eccentricity(graph, 1e9) ** 2, abs=1e-9)

    @given(GRAPHS)
    def test_bounds(self, graph: np.ndarray) -> None:
        graph = with_diagonal(graph)
        k = len(graph)
        assert -1e-12 <= degree_uncertainty(graph) <= 1 - 1 / k + 1e-12
        assert 1 - 1e-9 <= laplacian_eigenvalue_sum(graph) <= k + 1e-9
        assert 0 <= eccentricity(graph) <= math.sqrt(k)

    def test_many_questions_at_once(self) -> None:
        graphs = np.stack([cliques(3, 2), np.eye(5), np.ones((5, 5))])
        for function in (degree_uncertainty, laplacian_eigenvalue_sum, eccentricity):
            np.testing.assert_allclose(function(graphs), [function(graph) for graph in graphs], atol=1e-12)

    def test_refused(self) -> None:
        with pytest.raises(ValueError, match=r"shape \(\.\.\., K, K\)"):
            degree_uncertainty(np.ones((2, 3)))
        with pytest.raises(ValueError, match="holds NaN"):
            eccentricity(np.full((2, 2), np.nan))
        with pytest.raises(ValueError, match="put 1 on the diagonal"):
            laplacian_eigenvalue_sum(np.zeros((2, 2)))


class TestKernelLanguageEntropy:
    def test_heat_kernel_is_the_matrix_exponential(self) -> None:
        weights = np.array([[9.0, 2.0, 0.5], [2.0, 9.0, 1.0], [0.5, 1.0, 9.0]])
        laplacian = np.array([[2.5, -2.0, -0.5], [-2.0, 3.0, -1.0], [-0.5, -1.0, 1.5]])
        np.testing.assert_allclose(graph_laplacian(weights), laplacian, atol=1e-12)
        np.testing.assert_allclose(heat_kernel(weights, 0.7), scipy.linalg.expm(-0.7 * laplacian), atol=1e-12)
        expected = np.linalg.inv(np.linalg.matrix_power(4.0 * np.eye(3) + laplacian, 2))
        np.testing.assert_allclose(matern_kernel(weights, nu=2.0, kappa=1.0), expected, atol=1e-12)

    @pytest.mark.parametrize("k", [1, 2, 5])
    def test_answers_alone_have_log_k_and_answers_as_one_have_none(self, k: int) -> None:
        assert kernel_language_entropy(np.eye(k)) == pytest.approx(math.log(k), abs=1e-12)
        assert kernel_language_entropy(heat_kernel(np.ones((k, k)), t=0.0)) == pytest.approx(
            math.log(k), abs=1e-9
        )
        assert kernel_language_entropy(heat_kernel(np.ones((k, k)), t=500.0)) == pytest.approx(0.0, abs=1e-9)
        assert kernel_language_entropy(np.eye(k), scaled=True) == pytest.approx(float(k > 1), abs=1e-12)

    def test_blocks_give_the_entropy_of_their_shares(self) -> None:
        # The publication's special case: semantic entropy of clusters of 3 and 1 of 4.
        expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
        assert kernel_language_entropy(cliques(3, 1)) == pytest.approx(expected, abs=1e-12)
        assert kernel_language_entropy(heat_kernel(cliques(3, 1), t=500.0)) == pytest.approx(
            expected, abs=1e-9
        )

    def test_nearer_answers_have_less(self) -> None:
        def of(edge: float) -> float:
            return float(kernel_language_entropy(heat_kernel(np.full((4, 4), edge))))

        assert of(0.0) > of(0.5) > of(1.0) > of(2.0)

    @given(GRAPHS, st.sampled_from([heat_kernel, matern_kernel]), st.data())
    def test_bounds_and_order(self, graph: np.ndarray, kernel: object, choice: st.DataObject) -> None:
        matrix = kernel(graph)  # type: ignore[operator]
        found = kernel_language_entropy(matrix)
        assert -1e-9 <= found <= math.log(len(graph)) + 1e-9
        assert np.trace(unit_trace(matrix)) == pytest.approx(1.0, abs=1e-9)
        order = choice.draw(st.permutations(range(len(graph))))
        turned = kernel(graph[np.ix_(order, order)])  # type: ignore[operator]
        assert kernel_language_entropy(turned) == pytest.approx(found, abs=1e-9)

    def test_density_of_rank_one(self) -> None:
        assert von_neumann_entropy(np.full((3, 3), 1 / 3)) == pytest.approx(0.0, abs=1e-12)

    def test_weights_of_verdicts(self) -> None:
        entails = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        contradicts = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
        # 0 entails 1 and 1 is neutral to 0: 1½. 0 and 2 contradict each other. 1 and 2 are neutral both ways.
        np.testing.assert_allclose(
            entailment_weights(entails, contradicts), [[2.0, 1.5, 0.0], [1.5, 2.0, 1.0], [0.0, 1.0, 2.0]]
        )

    def test_many_questions_at_once(self) -> None:
        graphs = np.stack([cliques(3, 2), np.eye(5), np.ones((5, 5))])
        for kernel in (heat_kernel, matern_kernel):
            together = kernel_language_entropy(kernel(graphs), scaled=True)
            alone = [kernel_language_entropy(kernel(graph), scaled=True) for graph in graphs]
            np.testing.assert_allclose(together, alone, atol=1e-12)
