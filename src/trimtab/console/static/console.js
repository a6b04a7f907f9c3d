// The live part of a page. Without it everything works, only not by itself.
"use strict";
(() => {
  const YEAR = 31536000, LEAST_MS = 5000;
  const $ = (what, where = document) => where.querySelector(what);
  const all = (what, where = document) => [...where.querySelectorAll(what)];
  const secure = location.protocol === "https:" ? "; Secure" : "";
  const cookie = (name, value) => { document.cookie = `${name}=${value}; Path=/; Max-Age=${YEAR}; SameSite=Strict${secure}`; };

  // Light and dark at once.
  const look = $("#look");
  if (look) look.addEventListener("submit", (event) => {
    const theme = event.submitter && event.submitter.value;
    if (!theme) return;
    event.preventDefault();
    cookie("trimtab_theme", theme);
    document.documentElement.dataset.theme = theme;
    window.dispatchEvent(new Event("trimtab:redraw"));
  });

  // Live: a tick says that figures changed, then the page fetches itself and takes over what differs.
  let asked = 0, waiting = null, fetching = false;
  async function refresh() {
    if (fetching) return;
    fetching = true;
    asked = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" });
      if (answer.ok) takeOver(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch { /* the next tick tries again */ } finally { fetching = false; }
  }
  function takeOver(fresh) {
    for (const old of all("[data-live]")) {
      const now = $(`[data-live="${CSS.escape(old.dataset.live)}"]`, fresh);
      if (!now || old.contains(document.getSelection().anchorNode) && !document.getSelection().isCollapsed) continue;
      if ((old.source ?? old.innerHTML) === now.innerHTML) continue;
      const at = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      const open = all("details[open][id]", old).map((one) => one.id);
      const ticked = all("input:checked[name]", old).map((one) => one.name);
      const left = $(".scroll", old)?.scrollLeft ?? 0;
      old.source = now.innerHTML;
      old.replaceChildren(...now.childNodes);
      for (const id of open) { const one = document.getElementById(id); if (one) one.open = true; }
      for (const one of all("input[type=checkbox][name]", old)) if (ticked.includes(one.name)) one.checked = true;
      if ($(".scroll", old)) $(".scroll", old).scrollLeft = left;
      if (at) all("a", old).find((one) => one.getAttribute("href") === at)?.focus();
    }
    window.dispatchEvent(new Event("trimtab:fresh"));
  }
  function changed() {
    if (document.hidden || waiting) return;
    waiting = setTimeout(() => { waiting = null; refresh(); }, Math.max(0, asked + LEAST_MS - Date.now()));
  }
  const isFixed = new URLSearchParams(location.search).has("to");
  const sign = $("#live");
  if (!isFixed && window.EventSource && $("[data-live]")) {
    const events = new EventSource("/events");
    events.addEventListener("open", () => { sign.hidden = false; });
    events.addEventListener("error", () => { sign.hidden = true; });
    events.addEventListener("changed", changed);
    events.addEventListener("ended", () => { events.close(); sign.hidden = true; });
    document.addEventListener("visibilitychange", () => { if (!document.hidden && Date.now() - asked > 30000) refresh(); });
    window.addEventListener("pagehide", () => events.close());
  }

  // Keys.
  let after = 0;
  const help = $("#help");
  const goTo = (key) => { const link = $(`#pages a[data-key="${CSS.escape(key)}"]`); if (link) link.click(); };
  const rows = () => all("tbody tr").filter((row) => $("a", row) && row.offsetParent);
  function move(by) {
    const list = rows();
    if (!list.length) return;
    const here = list.findIndex((row) => row.contains(document.activeElement));
    const next = list[Math.min(list.length - 1, Math.max(0, here < 0 ? (by > 0 ? 0 : list.length - 1) : here + by))];
    $("a", next).focus();
  }
  // A key that a page gives to a button, or to a form that folds: that opens, and its first field waits for words.
  function press(event) {
    const chosen = $(`[data-press="${CSS.escape(event.key)}"]`);
    if (!chosen || event.repeat || event.target.closest("summary, button, a") && event.key === "Enter") return;
    event.preventDefault();
    chosen.click();
    chosen.closest("details[open]")?.querySelector("select, textarea, input:not([type=hidden])")?.focus();
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
    if (typing) { if (event.key === "Escape") typing.blur(); return; }
    if (help?.open) return;
    if (Date.now() - after < 1500 && /^[a-z]$/.test(event.key)) { after = 0; event.preventDefault(); goTo(event.key); return; }
    switch (event.key) {
      case "/": if ($("#search")) { event.preventDefault(); $("#search").focus(); } break;
      case "g": after = Date.now(); break;
      case "j": event.preventDefault(); move(1); break;
      case "k": event.preventDefault(); move(-1); break;
      case "?": event.preventDefault(); help?.showModal(); break;
      default: press(event);
    }
  });

  // A row opens where its first link leads, from anywhere in it.
  document.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-open]");
    if (!row || event.target.closest("a, button, input, summary, label") || !document.getSelection().isCollapsed) return;
    location.assign(row.dataset.open);
  });

  // Times in the zone of whoever looks: told once, then the server writes them.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  if (!document.cookie.split("; ").includes(`trimtab_zone=${zone}`)) {
    cookie("trimtab_zone", zone);
    if (document.cookie.includes(`trimtab_zone=${zone}`)) rewrite();
  }
  // The first page anybody sees was written in another zone, in its parts that are not live too.
  async function rewrite() {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "error" }).catch(() => null);
    if (!answer?.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html"), main = $("main"), written = $("main", fresh);
    if (main && written && !main.contains(document.activeElement)) main.replaceChildren(...written.childNodes);
    takeOver(fresh);
  }
})();
