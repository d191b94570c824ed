"use strict";
(() => {
  // Figures name colours by role ("@chosen"); a colour scheme says what a role looks like. Only keys that hold
  // colours are resolved, so no task name can be taken for a role.
  const COLOUR_KEY = /(color|colorscale|colorway)$/;
  const resolve = (node, colours, isColour = false) => {
    if (typeof node === "string") return isColour && node.startsWith("@") ? colours[node.slice(1)] : node;
    if (Array.isArray(node)) return node.map((item) => resolve(item, colours, isColour));
    if (node === null || typeof node !== "object") return node;
    return Object.fromEntries(
      Object.entries(node).map(([key, value]) => [key, resolve(value, colours, COLOUR_KEY.test(key))]),
    );
  };

  const darkScheme = window.matchMedia("(prefers-color-scheme: dark)");
  const island = document.getElementById("figures");
  const holders = [...document.querySelectorAll("[data-figure]")];
  let printing = false;
  let latest = 0;

  const draw = (holder, shown, colours) => {
    const { data, layout } = resolve(shown.figures[holder.dataset.figure], colours);
    const template = resolve(shown.template, colours);
    return Plotly.react(holder, data, { ...layout, template, autosize: true }, {
      displayModeBar: false,
      responsive: true,
      doubleClick: false,
      showTips: false,
    });
  };
  const drawAll = async () => {
    if (!island) return;
    const turn = ++latest;
    const shown = JSON.parse(island.textContent);
    const colours = shown.palettes[darkScheme.matches && !printing ? "dark" : "light"];
    for (const holder of holders) {
      if (turn !== latest) return; // the scheme changed again meanwhile
      if (!(holder.dataset.figure in shown.figures)) continue; // there is nothing to draw yet
      await draw(holder, shown, colours);
    }
    document.documentElement.dataset.drawn = colours.paper;
  };

  // A table wider than the page scrolls by itself; then, and only then, the keyboard must reach it.
  const reachable = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const scrolls = target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight;
      target.toggleAttribute("tabindex", scrolls);
      if (scrolls) {
        target.tabIndex = 0;
        target.setAttribute("role", "region");
        target.setAttribute("aria-label", target.dataset.label ?? target.querySelector("caption").textContent);
      } else {
        target.removeAttribute("role");
        target.removeAttribute("aria-label");
      }
    }
  });
  const reach = () => document.querySelectorAll(".scroll").forEach((box) => reachable.observe(box));
  reach();
  document.addEventListener("run-refreshed", reach); // the page of a run under way has new tables then

  const folded = [...document.querySelectorAll("details")];
  let wereOpen = [];
  window.addEventListener("beforeprint", () => {
    wereOpen = folded.map((box) => box.open);
    folded.forEach((box) => { box.open = true; });
    printing = true;
    drawAll();
  });
  window.addEventListener("afterprint", () => {
    folded.forEach((box, i) => { box.open = wereOpen[i]; });
    printing = false;
    drawAll();
  });
  darkScheme.addEventListener("change", drawAll);
  document.addEventListener("figures", drawAll); // somebody changed them
  drawAll();
})();
