"use strict";
// On every page: parts that keep themselves fresh, buttons that wait for enough marks, and questions before deeds.
(() => {
  const refresh = async (part) => {
    if (document.hidden) return;
    const answer = await fetch(part.dataset.refresh, { headers: { "X-Part": part.id }, credentials: "same-origin" }).catch(() => null);
    if (!answer || !answer.ok) return; // the next turn may do better
    if (answer.redirected) { window.location.reload(); return; } // logged out meanwhile
    const marked = new Set([...part.querySelectorAll("input:checked")].map((box) => box.value));
    const focused = document.activeElement && part.contains(document.activeElement) ? document.activeElement.value : null;
    part.innerHTML = await answer.text();
    for (const box of part.querySelectorAll("input[type=checkbox]")) {
      box.checked = marked.has(box.value);
      if (focused !== null && box.value === focused) box.focus();
    }
  };
  for (const part of document.querySelectorAll("[data-refresh][data-every]")) {
    setInterval(() => refresh(part), Number(part.dataset.every));
  }

  for (const button of document.querySelectorAll("button[data-least]")) {
    const count = () => { button.disabled = button.form.querySelectorAll("input:checked").length < Number(button.dataset.least); };
    button.form.addEventListener("change", count);
    count();
  }

  for (const form of document.querySelectorAll("form[data-ask]")) {
    form.addEventListener("submit", (event) => { if (!window.confirm(form.dataset.ask)) event.preventDefault(); });
  }

  // A sent form must not be sent twice by an impatient click.
  for (const form of document.querySelectorAll("form[method=post]")) {
    form.addEventListener("submit", (event) => {
      if (event.defaultPrevented) return;
      const button = event.submitter;
      if (button) setTimeout(() => { button.disabled = true; }, 0);
    });
  }
  window.addEventListener("pageshow", () => document.querySelectorAll("form[method=post] button[disabled]:not([data-least])").forEach((b) => { b.disabled = false; }));

  // A server that is busy is asked again, once a moment has passed.
  const later = document.querySelector("[data-again]");
  if (later) setTimeout(() => window.location.reload(), Number(later.dataset.again));

  // A link from elsewhere brings no cookie along: ask once from here whether this browser is known already.
  const login = document.querySelector("form[data-known]");
  if (login) {
    fetch("/login/known", { credentials: "same-origin" })
      .then((reply) => reply.json())
      .then((known) => { if (known) window.location.replace(login.dataset.known); })
      .catch(() => {});
  }
})();
