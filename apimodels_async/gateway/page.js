"use strict";
// Keeps the live parts of the page up to date. Without it, the page shows what was there when it was loaded.
(() => {
  const source = document.body.dataset.live;
  const last = new Map();
  const parser = new DOMParser();

  const localTimes = (root) => {
    for (const time of root.querySelectorAll("time")) {
      time.textContent = new Date(time.getAttribute("datetime")).toLocaleTimeString();
    }
  };

  // What is open stays open, and what has the focus is left alone.
  const replace = (element, markup) => {
    if (last.get(element) === markup || element.contains(document.activeElement)) return;
    last.set(element, markup);
    const open = new Set([...element.querySelectorAll("details[open]")].map((each) => each.id));
    const made = parser.parseFromString(markup, "text/html").body;
    for (const each of made.querySelectorAll("details")) each.open = open.has(each.id);
    localTimes(made);
    element.replaceChildren(...made.childNodes);
  };

  const update = async () => {
    const answer = await fetch(source, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    if (answer.headers.get("content-type").startsWith("application/json")) {
      for (const [id, markup] of Object.entries(await answer.json())) replace(document.getElementById(id), markup);
      return true;
    }
    const made = parser.parseFromString(await answer.text(), "text/html");
    replace(document.querySelector("main"), made.querySelector("main").innerHTML);
    return made.body.hasAttribute("data-live");
  };

  const run = async () => {
    let pause = 1000;
    try {
      if (!document.hidden && !(await update())) return;
    } catch {
      pause = 5000; // the gateway has ended, or is being restarted
    }
    setTimeout(run, pause);
  };

  localTimes(document);
  if (source) setTimeout(run, 1000);
})();
