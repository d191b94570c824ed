"""What both faces of a report owe the reader: every number, no markup from names, no winner where there is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass, replace
from html.parser import HTMLParser
from typing import Any, get_args

import pytest

from grouping.recommendation import Paired, Recommendation, Verdict
from grouping.report.blocks import Picture
from grouping.report.content import Content
from grouping.report.figures import figures
from grouping.report.html import breakable, html
from grouping.report.markdown import escaped, markdown
from grouping.report.sections import facts, sections
from grouping.report.tables import paired
from grouping.report.wording import MISSING, VERDICT_LABELS, headline, lede, reading, verdict_sentences
from tests.grouping.report.sample import NASTY_NAMES, nasty, weather

Render = Callable[[Content], str]


class _Visible(HTMLParser):
    """The page's text without scripts and styles, and every attribute that could load something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.scripts: list[dict[str, str | None]] = []
        self._silent = False
        # Plotly's five megabytes hold no markup and would only cost time.
        page = page.replace("<wbr>", "")  # where a line may end is nothing to read
        self.feed(re.sub(r"(<script nonce[^>]*>).*?</script>", r"\1</script>", page, flags=re.DOTALL))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent = tag in {"script", "style"}
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append(dict(attrs))
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "action", "data"}]

    def handle_endtag(self, tag: str) -> None:
        self._silent = False

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.text.append(data)


def _visible(page: str) -> str:
    return " ".join(_Visible(page).text)


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _leaves(inner, (*path, i))
    else:
        yield path, value


def _with(data: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    copy: Any = dict(data) if isinstance(data, dict) else list(data)
    copy[path[0]] = _with(data[path[0]], path[1:], value)
    return copy


# Everything else in a recommendation must be visible. Routing keys and names are checked by their tables instead.
_NOT_SHOWN = {"schema", "unit", "estimator", "phase", "name", "against", "role", "type"}


def _numbers() -> list[tuple[tuple[str | int, ...], float]]:
    """One number of each kind: the first entry of every list, at every depth."""
    return [
        (path, value)
        for path, value in _leaves(weather().recommendation.to_json())
        if isinstance(value, (int, float))
        and not isinstance(value, bool)
        and path[-1] not in _NOT_SHOWN
        and all(part == 0 for part in path if isinstance(part, int))
        and not (path[0] == "frontier" and "networks" in path)  # there, only who shares is shown
    ]


def test_every_number_of_the_recommendation_is_in_the_markdown() -> None:
    content = weather()
    data = content.recommendation.to_json()
    shown = markdown(content)
    hidden = []
    for path, value in _numbers():
        other = value + 1 if isinstance(value, int) else value * 1.5 + 0.01
        changed = replace(content, recommendation=Recommendation.from_json(_with(data, path, other)))
        if markdown(changed) == shown:
            hidden.append(path)
    assert hidden == []


@pytest.mark.parametrize("sample", [weather, nasty])
def test_html_shows_every_cell_and_sentence_that_markdown_shows(sample: Callable[[], Content]) -> None:
    content = sample()
    shown = " ".join(_visible(html(content)).split())
    told = [sections(content.recommendation, figures(content)), facts(content.recommendation)]
    texts = {" ".join(text.split()) for part in told for text in _strings(part)}
    assert [text for text in texts if text not in shown] == []


def _strings(value: object) -> Iterator[str]:
    """Every text of a report's parts but the keys that are not for reading."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for inner in value:
            yield from _strings(inner)
    elif is_dataclass(value):
        unread = {"key", "role", "tone"} | ({"caption"} if isinstance(value, Picture) else set())
        for field in dataclass_fields(value):
            if field.name not in unread:
                yield from _strings(getattr(value, field.name))


@pytest.mark.parametrize("render", [html, markdown])
def test_the_text_of_a_recommendation_is_on_the_page(render: Render) -> None:
    recommendation = weather().recommendation
    shown = " ".join(_visible(render(weather())).split())
    texts = [*recommendation.next_steps, *recommendation.warnings, recommendation.command, recommendation.run]
    texts += [network.network for network in recommendation.solution.networks]
    texts += [b.label[1:] for b in recommendation.baselines] + [p.label for p in recommendation.training_cost]
    texts += ["2.13.0", "learning rate 0.001", "not comparable", "0.7100", "selection frequency", "Proven"]
    assert [text for text in texts if text not in shown] == []


@pytest.mark.parametrize("render", [html, markdown])
@pytest.mark.parametrize("sample", [weather, nasty])
def test_the_same_content_gives_the_same_text(render: Render, sample: Callable[[], Content]) -> None:
    assert render(sample()) == render(sample())


@pytest.mark.parametrize("sample", [weather, nasty])
def test_the_page_is_one_file_that_loads_nothing(sample: Callable[[], Content]) -> None:
    page = _Visible(html(sample()))
    assert [link for link in page.links if not link.startswith(("#", "data:,"))] == []
    assert "base" not in page.tags
    assert "iframe" not in page.tags


def test_only_scripts_with_the_nonce_of_the_policy_may_run() -> None:
    text = html(nasty())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    nonce = re.search(r"script-src 'nonce-([0-9a-f]{32})'", policy[1])
    assert nonce is not None
    assert policy[1].startswith("default-src 'none'")
    kinds = [(script.get("nonce"), script.get("type")) for script in _Visible(text).scripts]
    assert kinds == [(None, "application/json"), (nonce[1], None), (nonce[1], None)]


def test_another_content_has_another_nonce() -> None:
    def nonce(content: Content) -> str:
        found = re.search(r"'nonce-([0-9a-f]+)'", html(content))
        assert found is not None
        return found[1]

    assert nonce(weather()) != nonce(nasty())


def test_hostile_names_are_text_in_html() -> None:
    page = _Visible(html(nasty()))
    shown = " ".join(page.text)
    assert all(name in shown for name in NASTY_NAMES)
    assert "img" not in page.tags
    assert set(page.tags) == set(_Visible(html(weather())).tags) - {"circle", "line", "text", "svg"} | {"a"}


def test_hostile_names_are_text_in_markdown() -> None:
    text = markdown(nasty())
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert not re.search(r"<(?!/?(details|summary)>)", prose)
    assert "http:" not in prose
    table_rows = [line for line in text.splitlines() if line.startswith("| ")]
    columns = {len(re.findall(r"(?<!\\)\|", row)) for row in table_rows if "mention" in row and "Task" not in row}
    assert len(columns) <= 4  # a pipe in a name opens no cell: only as many widths as there are kinds of table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("wind_u", "wind_u"),
        ("__init__", r"\_\_init\_\_"),
        ("a|b", r"a\|b"),
        ("*x*", r"\*x\*"),
        ("<b>", "&lt;b&gt;"),
        ("@all", "&#64;all"),
        ("- a", r"\- a"),
        ("1. a", r"1\. a"),
        ("61.5 %", "61.5 %"),
        ("https://x.example", "https&#58;//x.example"),
        ("[a](b)", r"\[a\](b)"),
        ("a\nb", "a b"),
    ],
)
def test_markdown_escapes_what_it_must_and_no_more(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_what_is_missing_is_said_or_left_out() -> None:
    for shown in (_visible(html(nasty())), markdown(nasty())):
        assert "not confirmed on fresh seeds" in shown
        assert "No alternatives were trained" in shown
        assert "Not proven" in shown
        assert "No selection frequency" in shown
        assert "no audit sample was trained" in shown
        assert "nan" not in shown.lower().replace("<nan>", "").split()
        assert "None" not in shown.split()


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (-0.03, -0.01, "the choice is better"),
        (0.01, 0.03, "the alternative is better"),
        (-0.01, 0.01, "not distinguishable"),
        (None, None, "no interval"),
    ],
)
def test_only_an_interval_without_zero_names_a_winner(low: float | None, high: float | None, says: str) -> None:
    assert reading(Paired("x", "x", -0.02, low, high, 5)) == says


def test_what_does_better_than_the_choice_is_said_first_with_number_and_interval() -> None:
    base = weather().recommendation
    assert "The choice" not in lede(base)

    def against_one_for_all(mean: float, low: float, high: float) -> Recommendation:
        others = [pair for pair in base.paired if pair.against != "all-in-one"]
        pair = Paired("all-in-one", "one standard network for all tasks", mean, low, high, 5)
        return replace(base, paired=(*others, pair))

    beaten = lede(against_one_for_all(0.02, 0.01, 0.03)).replace("\N{NO-BREAK SPACE}", " ")
    first = "The choice is worse than one standard network for all tasks (by 2.00 %, 95 % interval [+1.00, +3.00])."
    assert beaten.startswith(first)
    assert "One network" in headline(against_one_for_all(0.02, 0.01, 0.03))
    perhaps = lede(against_one_for_all(0.02, -0.01, 0.05)).replace("\N{NO-BREAK SPACE}", " ")
    assert perhaps.startswith("The choice did worse than one standard network for all tasks, by 2.00 %")
    assert "which may be noise" in perhaps
    assert "One network" not in headline(against_one_for_all(0.02, -0.01, 0.05))


def test_long_names_of_networks_may_end_a_line_after_a_plus_and_numbers_may_not() -> None:
    assert breakable("a_1+b<i>+c d +1.2 %") == "a_1+<wbr>b&lt;i&gt;+c d +1.2 %"


@pytest.mark.parametrize("verdict", get_args(Verdict))
def test_the_sentence_beside_the_label_does_not_repeat_it(verdict: Verdict) -> None:
    label = VERDICT_LABELS[verdict]
    found = replace(weather().recommendation, verdict=verdict, verdict_text=f"{label}: so it is. Numbers follow.")
    assert verdict_sentences(found) == ("So it is.", "Numbers follow.")
    assert markdown(Content(found, weather().curves, weather().losses)).count(label) == 1


@pytest.mark.parametrize("verdict", ["capacity", "separation", "noise", "unsure"])
def test_only_the_verdict_grouping_recommends_the_groups(verdict: Any) -> None:
    assert headline(weather().recommendation) == "Serve 3 networks instead of 8"
    assert "instead of" not in headline(replace(weather().recommendation, verdict=verdict))


def test_one_seed_has_no_intervals_and_no_winner() -> None:
    content = weather()
    base = content.recommendation
    one_seed = replace(
        base,
        verdict="unsure",
        verdict_text="Unsure: 1 fresh seed cannot tell a gain from noise, 3 or more can.",
        confirmed=tuple(replace(c, low=None, high=None, seeds=1) for c in base.confirmed),
        baselines=tuple(replace(b, low=None, high=None, seeds=1) for b in base.baselines),
        paired=tuple(replace(p, low=None, high=None, n=1) for p in base.paired),
    )
    assert {row[-1] for row in paired(one_seed).rows} == {"no interval"}
    page = html(replace(content, recommendation=one_seed))
    assert not re.search(r'class="(better|worse)"', page)
    assert "with no interval (one seed)" in _visible(page)
    assert MISSING in _visible(page)
