"""The page for people: what stands in it, and its templates."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib.metadata import version
from threading import Lock
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from llmood.clean import clean
from llmood.detector.content import SCORE
from llmood.detector.form import PROMPT, RESPONSE, TEXT, Form
from llmood.halves import THRESHOLDS
from llmood.measures.similar_texts import SimilarTexts
from llmood.measures.threshold import percent
from llmood.report import text
from llmood.serve import page_words
from llmood.serve.decision import Decision
from llmood.serve.explaining import Explained
from llmood.serve.guard import Guard
from llmood.serve.page_pictures import sparkline, strip
from llmood.serve.recent_traffic import RecentTraffic, Seen, window_of
from llmood.tasks.row_errors import RowError
from llmood.traffic.shares import Promise

PARTS = ("answer", "words")  # of the page, that are HTML already
NEIGHBOURS = 5
WINDOWS = {"minute": "last minute", "hour": "last hour", "start": "since the start"}


@cache
def environment() -> Environment:
    """The templates, with everything that enters a page cleaned and escaped."""
    found = Environment(
        loader=PackageLoader("llmood.serve"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    found.filters |= {
        "count": text.count,
        "score": text.score,
        "percent": percent,
        "shorten": text.shorten,
        "seconds": page_words.seconds,
    }
    return found


def _finalize(value: Any) -> Any:
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def asked_as(form: Form) -> str:
    """What a typed question is called in a record: `prompt` where the task's prompt is made of several columns."""
    try:
        form.read({TEXT: "?"}, 0)
    except RowError:
        return PROMPT
    return TEXT


@dataclass
class Page:
    """The parts of the page of a guard, as HTML.

    Args:
        traffic: that hears of the guard's decisions.
    """

    guard: Guard
    traffic: RecentTraffic

    def __post_init__(self) -> None:
        content = self.guard.detector.content
        self._content = content
        self._calibration = content.calibration[f"{SCORE}/{THRESHOLDS}"]
        self._threshold = content.thresholds[0]
        self._promise = Promise(self._calibration, self._threshold)
        self._mutex = Lock()
        self.column = asked_as(content.form)

    def whole(self, *, may_see: bool, show: bool, **more: Any) -> str:
        """The page.

        Args:
            may_see: whether whoever asks has shown the token, or needs none.
            show: whether questions of others are shown.
            more: `question` and `response` in the fields, the parts `answer` and `words`, and an `error`.
        """
        given = {"question": "", "response": "", "answer": None, "words": None, "error": None, **more}
        about = {
            "name": self._content.name,
            "promise": page_words.promise(self._content),
            "scorers": list(self._content.scorers),
            "task": self._content.data["task"],
            "rows": len(self._calibration),
            "digest": (self.guard.detector.digest or "")[:12],
            "version": version("llmood"),
        }
        return self._render(
            "page.html.j2",
            about=about if may_see else None,
            traffic=Markup(self.traffic_part(show=show)) if may_see else None,  # noqa: S704 - our own template's, escaped
            needs_token=self.guard.settings.token is not None,
            post=self._content.stage == "post",
            as_text=self.column == TEXT,
            **{name: Markup(part) if name in PARTS and part else part for name, part in given.items()},  # noqa: S704
        )

    def record(self, question: str, response: str | None) -> dict[str, str]:
        """What was typed, as a record; an empty field is no answer."""
        return {self.column: question, **({RESPONSE: response} if response else {})}

    async def answer_part(self, question: str, decision: Decision, *, show: bool) -> str:
        """A decision on a question, and the questions of the domain that are most like it."""
        near = await asyncio.to_thread(self._nearest, question) if show else []
        return self._render(
            "answer.html.j2",
            decision=decision,
            said=page_words.verdict(decision, self._content),
            strip=strip(self._calibration, self._threshold.value, decision.score),
            threshold=self._threshold,
            answers=page_words.answers(decision, self._content),
            rows=len(self._calibration),
            several=len(self._content.scorers) > 1,
            near=near,
            kept=len(self._content.questions),
            hidden=not show,
        )

    def words_part(self, explained: Explained) -> str:
        """What each word does to the score."""
        shown = page_words.shades(explained.words)
        return self._render(
            "words.html.j2", explained=explained, shown=shown, ranked=page_words.ranked(shown)
        )

    def traffic_part(self, *, show: bool) -> str:
        """What came in of late."""
        seen = self.traffic.seen()
        return self._render(
            "traffic.html.j2",
            seen=seen,
            flagged=seen.flagged if show else None,
            windows=self._windows(seen),
            titles=WINDOWS,
            promised=self._threshold.alpha,
            waiting=self.guard.waiting,
            bars=sparkline(seen.minutes),
            most=max(each.decisions for each in seen.minutes),
        )

    def traffic_json(self, *, show: bool) -> dict[str, Any]:
        """The same for programs."""
        seen = self.traffic.seen()
        return {
            "since": seen.since.isoformat(),
            "promised": self._threshold.alpha,
            "waiting": self.guard.waiting,
            "windows": self._windows(seen),
            "statuses": dict(seen.statuses),
            "actions": dict(seen.actions),
            "p50": seen.p50,
            "p99": seen.p99,
            "minutes": [{"decisions": each.decisions, "flagged": each.flagged} for each in seen.minutes],
            "flagged": None
            if seen.flagged is None or not show
            else [{**asdict(each), "time": each.time.isoformat()} for each in seen.flagged],
        }

    def _windows(self, seen: Seen) -> list[dict[str, Any]]:
        return [window_of(name, counts, self._promise) for name, counts in seen.windows.items()]

    def _nearest(self, question: str) -> list[tuple[str, float]]:
        if not self._content.questions:
            return []
        with self._mutex:  # built once, however many ask first
            similar = self._similar
        return similar.nearest(question, NEIGHBOURS)

    @cached_property
    def _similar(self) -> SimilarTexts:
        return SimilarTexts(self._content.questions)

    @staticmethod
    def _render(name: str, **values: Any) -> str:
        found: Mapping[str, Any] = values
        return environment().get_template(name).render(found)
