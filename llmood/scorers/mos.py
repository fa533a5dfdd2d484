"""MOS: every group of classes asked for "none of mine"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmood.errors import ConfigError
from llmood.measures.linear_head import LinearHead, fit_head, head_logits
from llmood.measures.logit_scores import minimum_others
from llmood.measures.token_statistics import Floats
from llmood.scorers.base import register
from llmood.scorers.learned import Learned
from llmood.scorers.representation import OF, Representation


@register("mos", OF)
class MOS(Representation):
    """The smallest probability, over groups of classes, that a group's head gives to "none of mine".

    Formula: `measures.logit_scores.minimum_others` (Huang and Li, CVPR 2021). A group is a domain of the task, and its
    head tells its classes and all others apart. The publication trains all groups together; their losses are a sum, and
    the heads share nothing here, so that each can be fitted alone.

    Args:
        reading: as in `Representation`.
    """

    heads_: list[LinearHead]

    @property
    def least_classes(self) -> int:
        return 2

    def check_classes(self, labels: Sequence[str | None], domains: Sequence[str | None]) -> None:
        super().check_classes(labels, domains)
        of: dict[str, set[str | None]] = {}
        for label, domain in zip(labels, domains, strict=True):
            if label is not None:
                of.setdefault(label, set()).add(domain)
        mixed = next((label for label, own in of.items() if len(own) > 1 or None in own), None)
        if mixed is not None or len(set.union(*of.values())) < 2:
            raise ConfigError(
                "groups classes by domain, and train has "
                + ("one domain" if mixed is None else f"no domain, or several, of the class {mixed}"),
                hint="name the domains' column under 'fields: domain' in the task's YAML, or leave the scorer out",
            )

    def learn(self, train: Learned, held: Learned | None) -> None:
        groups = sorted({domain for domain in train.domains if domain})
        if len(groups) < 2 or "" in train.domains:
            raise ValueError(
                "its classes aren't in groups: the task names a domain of each row, one for a class"
            )
        self.heads_ = []
        for group in groups:
            column = np.zeros(len(train.names), np.int64)
            own = [number for number, domain in enumerate(train.domains) if domain == group]
            column[own] = np.arange(1, len(own) + 1)
            self.heads_.append(fit_head(train.states, column[train.classes]))

    def distances(self, states: Floats) -> Floats:
        logits = [head_logits(states, head) for head in self.heads_]
        return minimum_others(np.concatenate(logits, axis=1), [each.shape[1] for each in logits]).uncertainty
