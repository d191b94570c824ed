"""One self-contained HTML page: no request leaves it, plotly travels inside, every name is escaped by autoescape."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from grouping.errors import GroupingError
from grouping.report.content import Content
from grouping.report.figures import figures
from grouping.report.palette import DARK, GROUP_ROLES, LIGHT, TEMPLATE
from grouping.report.sections import facts, sections
from grouping.report.wording import VERDICT_LABELS, headline, lede, verdict_sentences

__all__ = ["breakable", "html"]

_BETWEEN_NAMES = re.compile(r"(?<=\w)\+(?=\w)")


def html(content: Content) -> str:
    """The whole report as one page. The same content always gives the same text.

    Raises:
        GroupingError: the installed plotly carries no plotly.min.js.
    """
    recommendation = content.recommendation
    drawn = figures(content)
    sentence, basis = verdict_sentences(recommendation)
    page = {
        "recommendation": recommendation,
        "headline": headline(recommendation),
        "lede": lede(recommendation),
        "verdict": VERDICT_LABELS[recommendation.verdict],
        "verdict_sentence": sentence,
        "basis": basis,
        "facts": facts(recommendation),
        "sections": sections(recommendation, drawn),
        "figures": drawn,
        "light": LIGHT,
        "dark": DARK,
        "roles": GROUP_ROLES,
        "template": TEMPLATE,
        "plotly": "",
        "nonce": "",
    }
    template = _templates().get_template("report.html")
    # Nobody who writes a task name can know a digest of the page that the name is part of.
    nonce = hashlib.sha256(template.render(page).encode()).hexdigest()[:32]
    return template.render(page | {"nonce": nonce, "plotly": _plotly() if drawn else ""})


def breakable(text: str) -> Markup:
    """The text, escaped, with room for a line's end after every ``+`` between names: networks have long ones."""
    return Markup(_BETWEEN_NAMES.sub("+<wbr>", str(escape(text))))  # noqa: S704 - escaped before


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("grouping.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["breakable"] = breakable
    return environment


@cache
def _plotly() -> Markup:
    script = files("plotly").joinpath("package_data", "plotly.min.js")
    if not script.is_file():
        raise GroupingError("the installed plotly carries no plotly.min.js", fix="Reinstall it: pip install plotly")
    text = script.read_text(encoding="utf-8")
    assert "</script" not in text.lower(), "it would end its own script element"
    return Markup(text)  # noqa: S704 - code of an installed package
