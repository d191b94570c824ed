"""Templates to HTML: every name is escaped by autoescape, every page gets the request's nonce and who is looking."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined

from grouping.errors import GroupingError
from grouping.report.html import breakable
from grouping.report.palette import DARK, GROUP_ROLES, LIGHT

__all__ = ["ASSETS", "Asset", "Viewer", "asset", "asset_version", "fragment", "part", "render"]


class Viewer(NamedTuple):
    """Who looks at a page: name and scope of the token, and the secret that every form of the session carries."""

    name: str
    scope: str
    csrf: str

    @property
    def may_submit(self) -> bool:
        return self.scope in ("submit", "admin")


class Asset(NamedTuple):
    """A file that pages ask for."""

    body: bytes
    media_type: str


_SCRIPTS = ("page.js", "run.js", "courses.js", "choice.js", "draft.js", "solve.js")
ASSETS = ("style.css", "plotly.min.js", "figures.js", *_SCRIPTS)
"""Every file that pages may ask for; nothing else is served."""


def render(template: str, *, nonce: str, viewer: Viewer | None, here: str, **context: object) -> str:
    """A page as text.

    Args:
        template: Its file.
        nonce: What scripts of this response carry.
        viewer: Who looks; None before somebody has logged in.
        here: Path of the page, for the navigation.
        context: What the template shows.
    """
    return _templates().get_template(template).render(nonce=nonce, viewer=viewer, here=here, **context)


def fragment(template: str, macro: str, *shown: object) -> str:
    """What a macro of a template makes of a value: a part of a page that is asked for again."""
    return str(getattr(_templates().get_template(template).module, macro)(*shown))


def part(template: str, **context: object) -> str:
    """A template that is a part of a page by itself."""
    return _templates().get_template(template).render(**context)


@cache
def asset(name: str) -> Asset:
    """A style sheet or script by name; the browser keeps it as long as its address stays the same.

    Raises:
        KeyError: none of ``ASSETS``.
        GroupingError: the installed plotly carries no plotly.min.js.
    """
    if name == "style.css":
        text = _templates().get_template("style.css").render(light=LIGHT, dark=DARK, roles=GROUP_ROLES)
        return Asset(text.encode(), "text/css")
    if name == "plotly.min.js":
        script = files("plotly").joinpath("package_data", "plotly.min.js")
        if not script.is_file():
            raise GroupingError("the installed plotly carries no plotly.min.js", fix="Reinstall it: pip install plotly")
        return Asset(script.read_bytes(), "text/javascript")
    if name == "figures.js":  # the report's own: it draws in both colour schemes and lets the keyboard into tables
        return Asset(files("grouping.report").joinpath("templates", "report.js").read_bytes(), "text/javascript")
    if name not in _SCRIPTS:
        raise KeyError(name)
    return Asset(files(__package__).joinpath("scripts", name).read_bytes(), "text/javascript")


@cache
def asset_version(name: str) -> str:
    """A digest of the file: part of its address, so that a new version is asked for at once."""
    return hashlib.sha256(asset(name).body).hexdigest()[:12]


@cache
def _templates() -> Environment:
    own, report = PackageLoader("search.service.web"), PackageLoader("grouping.report")
    environment = Environment(
        loader=ChoiceLoader([own, PrefixLoader({"report": report})]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = breakable
    environment.globals["asset"] = lambda name: f"/assets/{name}?v={asset_version(name)}"
    return environment
