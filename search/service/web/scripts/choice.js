"use strict";
// The budget slider: asks the server's solver while it moves, shows its answer, and marks the budget in the figure.
(() => {
  const box = document.getElementById("choice");
  if (!box) return;
  const range = document.getElementById("dial-range");
  const exact = document.getElementById("dial-number");
  const networks = document.getElementById("dial-networks");
  const answer = document.getElementById("choice-answer");
  let asking = null;
  let waiting = 0;

  const mark = () => {
    const figure = document.querySelector("[data-figure='frontier'].js-plotly-plot");
    const found = answer.firstElementChild;
    if (!figure || !found) return;
    const style = getComputedStyle(document.documentElement);
    const colour = style.getPropertyValue("--chosen").trim();
    const kept = (figure.layout.shapes || []).filter((shape) => shape.name !== "asked");
    const budget = Number(found.dataset.budget);
    const line = { name: "asked", type: "line", x0: budget, x1: budget, y0: 0, y1: 1, yref: "paper", line: { color: colour, width: 2, dash: "dot" } };
    Plotly.relayout(figure, { shapes: [...kept, line] });
  };

  const ask = async () => {
    if (asking) asking.abort();
    asking = new AbortController();
    const query = new URLSearchParams({ budget: exact.value, max_networks: networks.value });
    answer.setAttribute("aria-busy", "true");
    try {
      const reply = await fetch(`${box.dataset.url}?${query}`, { signal: asking.signal, credentials: "same-origin" });
      if (reply.redirected || reply.status === 401) { window.location.reload(); return; }
      if (reply.status === 429 || reply.status === 503) { waiting = setTimeout(ask, 1500); return; } // its turn will come
      answer.innerHTML = await reply.text(); // rendered and escaped by the server
      answer.removeAttribute("aria-busy");
      mark();
    } catch (error) {
      if (error.name === "AbortError") return; // a newer question is on its way
      answer.removeAttribute("aria-busy");
      answer.textContent = "The server did not answer. Move the slider again in a moment.";
    }
  };
  const soon = () => { clearTimeout(waiting); waiting = setTimeout(ask, 40); };
  range.addEventListener("input", () => { exact.value = range.value; soon(); });
  exact.addEventListener("input", () => { if (exact.value !== "") { range.value = exact.value; soon(); } });
  networks.addEventListener("change", soon);
  box.querySelector("form").addEventListener("submit", (event) => { event.preventDefault(); ask(); });
})();
