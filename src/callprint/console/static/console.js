// Everything works without this file. It adds live rows, keys, and choosing all rows.
"use strict";

const $all = (what, where = document) => [...where.querySelectorAll(what)];
const typing = (target) => /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName) && target.type !== "checkbox";

// Live: the server says that there is something new; the page is asked for again and its parts replaced.
function live() {
  const path = document.body.dataset.live;
  const parts = $all("[data-part]");
  const followed = parts.length > 0 && !new URLSearchParams(location.search).has("after");
  if (!path || !followed || !window.EventSource) return;
  const state = document.getElementById("live-state");
  let source = null, waiting = false, busy = false;

  // Somebody is choosing or writing in what would be replaced.
  function inUse() {
    const inside = document.activeElement && document.activeElement.closest("[data-part] input, [data-part] details");
    return inside || document.querySelector("[data-part] input:checked") || String(getSelection());
  }

  async function refresh() {
    if (busy) { waiting = true; return; }
    if (inUse()) return;
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { "X-Part": "1" } });
      const text = await answer.text();
      if (answer.ok && !answer.redirected && !inUse()) replace(new DOMParser().parseFromString(text, "text/html"));
    } catch { /* the next event tries again */ }
    setTimeout(() => { busy = false; if (waiting) { waiting = false; refresh(); } }, 1000);
  }

  function replace(fresh) {
    const known = new Set($all("[data-key]").map((row) => row.dataset.key));
    const at = document.querySelector("tr.at")?.dataset.key;
    for (const part of $all("[data-part]")) {
      const other = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
      if (!other) continue;
      const tops = $all(".scroll", part).map((box) => [box.scrollTop, box.scrollLeft]);
      part.replaceChildren(...document.importNode(other, true).childNodes);
      $all(".scroll", part).forEach((box, i) => tops[i] && ([box.scrollTop, box.scrollLeft] = tops[i]));
    }
    for (const row of $all("[data-key]")) {
      if (known.size && !known.has(row.dataset.key)) row.classList.add("new");
      if (row.dataset.key === at) row.classList.add("at");
    }
  }

  function open() {
    if (source) return;
    source = new EventSource(path);
    source.addEventListener("change", refresh);
    source.onopen = () => state && state.classList.add("on");
    source.onerror = () => state && state.classList.remove("on");
  }
  function close() { if (source) { source.close(); source = null; } }
  // A hidden page holds no connection: a browser has only six for a server.
  document.addEventListener("visibilitychange", () => { if (document.hidden) close(); else { open(); refresh(); } });
  addEventListener("pagehide", close);
  if (!document.hidden) open();
}

// Keys.
let before = "";
const places = { n: "/", f: "/flows", c: "/calls", d: "/desk", u: "/unknowns", m: "/models" };

function rows() { return $all("table.list tbody tr"); }
function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("at"));
  const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
  all.forEach((row) => row.classList.toggle("at", row === next));
  next.scrollIntoView({ block: "nearest" });
}
function box(row) { return row && row.querySelector('input[type="checkbox"]'); }

function vote(key) {
  const button = document.querySelector(`[data-vote="${key}"]`);
  if (!button) return false;
  const at = document.querySelector("tr.at");
  if (button.closest("[data-desk]") && !document.querySelector("[data-desk] tbody input:checked")) {
    if (!box(at)) return false;
    box(at).checked = true;
  }
  button.click();
  return true;
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const key = event.key, row = document.querySelector("tr.at");
  let done = true;
  if (before === "g" && places[key]) location.href = places[key];
  else if (key === "/") (document.getElementById("q") || document.body).focus();
  else if (key === "j") move(1);
  else if (key === "k") move(-1);
  else if (key === "Enter" && row && document.activeElement === document.body) row.querySelector("a[href]")?.click();
  else if (key === "x" && box(row)) box(row).checked = !box(row).checked;
  else if (key === "X") $all("[data-desk] tbody input[type=checkbox]").forEach((each) => { each.checked = true; });
  else if ("snauw".includes(key) && key.length === 1) done = vote(key);
  else done = false;
  before = done ? "" : key;
  if (done) event.preventDefault();
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-all]")) {
    $all('tbody input[type="checkbox"]', event.target.closest("table")).forEach((each) => { each.checked = event.target.checked; });
  }
});
document.addEventListener("click", (event) => { if (event.target.closest("[data-print]")) print(); });

live();
