"""A template as a response: the request's nonce, who is looking, and a policy for pages with charts."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse

from grouping.report.labels import Figure
from grouping.report.palette import DARK, LIGHT, TEMPLATE
from search.service.auth import Principal
from search.service.web.templating import Viewer, render

__all__ = ["island", "local_path", "moved", "page"]


def page(
    request: Request,
    principal: Principal | None,
    template: str,
    *,
    status: int = 200,
    charts: bool = False,
    **context: Any,  # noqa: ANN401 - whatever the template shows
) -> HTMLResponse:
    """A page.

    Args:
        request: What is answered.
        principal: Who asks; None before somebody has logged in.
        template: Its file.
        status: Of the response.
        charts: Whether plotly draws on it: its styles stand in the elements, so the policy has to let them.
        context: What the template shows.
    """
    nonce: str = request.state.csp_nonce
    viewer = None if principal is None else Viewer(principal.name, principal.scope, principal.csrf)
    text = render(template, nonce=nonce, viewer=viewer, here=request.url.path, **context)
    headers = {"content-security-policy": _chart_policy(nonce)} if charts else None
    return HTMLResponse(text, status, headers)


def moved(address: str) -> RedirectResponse:
    """Go on there with GET: what follows a form, so that reloading repeats nothing."""
    return RedirectResponse(address, 303)


def local_path(address: str, default: str = "/runs") -> str:
    """The address if it is a path of this server, else the default: nobody is sent elsewhere after logging in."""
    harmless = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if harmless and address.isprintable() and "\\" not in address and len(address) <= 2_000 else default


def island(figures: dict[str, Figure]) -> dict[str, Any]:
    """What the script that draws figures reads."""
    return {"figures": figures, "palettes": {"light": LIGHT, "dark": DARK}, "template": TEMPLATE}


def _chart_policy(nonce: str) -> str:
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}' 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
