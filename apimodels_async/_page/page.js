"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const summary = JSON.parse(byId("summary").textContent);
  const rows = JSON.parse(byId("rows").textContent);
  rows.pop(); // the null that ends the list
  byId("rows").remove();

  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const many = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
  const dollars = (value) => value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 4 });
  const seconds = (row) => (row.seconds === undefined ? "" : row.seconds.toFixed(1));
  const cost = (row) => (row.cost === undefined ? "" : dollars(row.cost));

  // --- what the batch did

  const counts = new Map();
  let pictures = 0, spent = 0;
  for (const row of rows) {
    counts.set(row.state, (counts.get(row.state) || 0) + 1);
    pictures += (row.files || []).length;
    spent += row.cost || 0;
    row.text = [row.prompt, row.model, row.state, row.error, row.task, row.seed].filter(Boolean).join("\n").toLowerCase();
  }
  const words = { running: "still running", done: "finished", left: "left before its end" };
  const without = rows.length - (counts.get("completed") || 0);
  byId("figures").textContent = [
    many(rows.length, "request"), many(pictures, "picture"), without ? `${without.toLocaleString("en")} without a picture` : "",
    spent ? `about US$ ${dollars(spent)}` : "", words[summary.state],
  ].filter(Boolean).join(" · ");
  byId("updated").textContent = `Written ${new Date(summary.updated * 1000).toLocaleString()}`;

  const stateSelect = byId("state");
  const states = [["", "all"], ["+", "with pictures"], ["-", "without"]];
  for (const state of [...counts.keys()].sort()) states.push([state, `${state} (${counts.get(state).toLocaleString("en")})`]);
  for (const [value, label] of states) {
    const option = make("option", "", label);
    option.value = value;
    stateSelect.append(option);
  }

  // --- filter and sort

  const query = byId("query"), sortSelect = byId("sort"), direction = byId("direction");
  const body = byId("body"), table = byId("table");
  const collator = new Intl.Collator();
  let shown = rows, descending = false, current = -1;

  const value = (row, key) => (key === "seed" && row.seed !== undefined ? Number(row.seed) : row[key]);
  const compare = (key) => (one, other) => {
    const a = value(one, key), b = value(other, key);
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined) || one.number - other.number;
    const order = typeof a === "number" ? a - b : collator.compare(a, b);
    return (descending ? -order : order) || one.number - other.number;
  };

  const apply = () => {
    const parts = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const state = stateSelect.value;
    const key = sortSelect.value;
    shown = rows.filter((row) => {
      if (state === "+" && !row.files) return false;
      if (state === "-" && row.state === "completed") return false;
      if (state && state !== "+" && state !== "-" && row.state !== state) return false;
      return parts.every((part) => row.text.includes(part));
    });
    shown.sort(compare(key));
    current = -1;
    direction.setAttribute("aria-pressed", String(descending));
    for (const head of document.querySelectorAll("[data-key]")) {
      if (head.dataset.key === key) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    table.setAttribute("aria-rowcount", String(shown.length + 1));
    table.hidden = !shown.length;
    byId("empty").hidden = shown.length > 0;
    body.replaceChildren();
    drawn.clear();
    draw();
    remember();
  };

  // --- rows: only those near the window are in the document

  const drawn = new Map();
  let height = 0, waiting = false;

  const measure = () => {
    height = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));
  };

  const drawRow = (at) => {
    const row = shown[at];
    const element = make("div", "row");
    element.setAttribute("role", "row");
    element.setAttribute("aria-rowindex", String(at + 2));
    element.style.transform = `translateY(${at * height}px)`;
    const cell = (className, text) => {
      const made = make("span", `cell ${className}`, text);
      made.setAttribute("role", "cell");
      element.append(made);
      return made;
    };
    const open = make("button", "open");
    open.type = "button";
    open.setAttribute("aria-label", `Open request ${row.number}`);
    const small = (row.thumbnails || [])[0];
    if (small || row.files) {
      const image = make("img");
      image.alt = "";
      image.src = small || row.files[0];
      open.append(image);
    } else {
      open.append(make("span", "", row.state === "completed" ? "✓" : "–"));
    }
    if (row.files && row.files.length > 1) open.append(make("span", "more", `+${row.files.length - 1}`));
    open.addEventListener("click", () => view(at));
    cell("picture").append(open);
    cell("number", row.number.toLocaleString("en"));
    const what = cell(row.error ? "what failed" : "what");
    const prompt = make("p", "", row.prompt);
    prompt.dir = "auto";
    what.append(prompt);
    if (row.error) {
      const error = make("p", "words", row.error);
      error.dir = "auto";
      what.append(error);
    }
    cell("model", row.model);
    cell("seed", row.seed || "");
    cell("seconds", seconds(row));
    cell("cost", cost(row));
    cell("state").append(make("span", `badge ${row.state.replace(" ", "-")}`, row.state));
    if (at === current) element.classList.add("current");
    return element;
  };

  const draw = () => {
    waiting = false;
    const top = body.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / height) - 6);
    const last = Math.min(shown.length, Math.ceil((window.innerHeight - top) / height) + 6);
    body.style.height = `${shown.length * height}px`;
    for (const [at, element] of drawn) {
      if (at < first || at >= last) {
        element.remove();
        drawn.delete(at);
      }
    }
    for (let at = first; at < last; at += 1) {
      if (drawn.has(at)) continue;
      const element = drawRow(at);
      let next = at + 1;
      while (next < last && !drawn.has(next)) next += 1;
      body.insertBefore(element, next < last ? drawn.get(next) : null);
      drawn.set(at, element);
    }
  };
  const later = () => {
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(draw);
    }
  };
  window.addEventListener("scroll", later, { passive: true });
  window.addEventListener("resize", () => {
    measure();
    for (const [at, element] of drawn) element.style.transform = `translateY(${at * height}px)`;
    later();
  });

  const select = (at) => {
    if (!shown.length) return;
    drawn.get(current)?.classList.remove("current");
    current = Math.min(Math.max(at, 0), shown.length - 1);
    const tools = getComputedStyle(byId("tools")).position === "sticky" ? byId("tools").offsetHeight : 0;
    const place = body.getBoundingClientRect().top + current * height;
    if (place < tools) window.scrollBy(0, place - tools - 8);
    else if (place + height > window.innerHeight) window.scrollBy(0, place + height - window.innerHeight + 8);
    draw();
    const element = drawn.get(current);
    element.classList.add("current");
    element.querySelector(".open").focus({ preventScroll: true });
  };

  // --- one request

  const viewer = byId("viewer");
  const view = (at) => {
    select(at);
    const row = shown[current];
    byId("viewer-title").textContent = `Request ${row.number.toLocaleString("en")}: ${row.state}`;
    byId("pictures").replaceChildren(...(row.files || []).map((file, index) => {
      const link = make("a");
      link.href = file;
      link.target = "_blank";
      link.rel = "noopener";
      const image = make("img");
      image.alt = `Picture ${index + 1} of request ${row.number}`;
      image.src = file;
      link.append(image);
      return link;
    }));
    byId("viewer-prompt").textContent = row.prompt;
    byId("viewer-error").textContent = row.error || "";
    byId("viewer-error").hidden = !row.error;
    const facts = [
      ["model", row.model], ["seed", row.seed], ["seconds", seconds(row)], ["US$", cost(row)], ["task", row.task],
      ...Object.entries(row.parameters || {}),
      ["files", (row.files || []).map((file) => decoded(file)).join("\n")],
    ];
    byId("facts").replaceChildren(...facts.filter(([, text]) => text).flatMap(([name, text]) => [
      make("dt", "", name), make("dd", "", text),
    ]));
    byId("previous").disabled = current === 0;
    byId("next").disabled = current === shown.length - 1;
    if (!viewer.open) viewer.showModal();
    byId("close").focus();
    viewer.scrollTop = 0;
  };
  const decoded = (file) => {
    try {
      return decodeURIComponent(file.replace(/^\.\//, ""));
    } catch {
      return file; // a name that is no UTF-8
    }
  };
  byId("previous").addEventListener("click", () => view(current - 1));
  byId("next").addEventListener("click", () => view(current + 1));
  byId("close").addEventListener("click", () => viewer.close());
  viewer.addEventListener("click", (event) => {
    if (event.target === viewer) viewer.close();
  });
  viewer.addEventListener("close", () => drawn.get(current)?.querySelector(".open").focus({ preventScroll: true }));

  // --- keyboard

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (viewer.open) {
      if (event.key === "ArrowLeft" || event.key === "k") { if (current > 0) view(current - 1); }
      else if (event.key === "ArrowRight" || event.key === "j") { if (current < shown.length - 1) view(current + 1); }
      else return;
      event.preventDefault();
      return;
    }
    const typing = event.target.closest("input, select");
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "/") query.focus();
    else if (event.key === "j" || event.key === "ArrowDown") select(current + 1);
    else if (event.key === "k" || event.key === "ArrowUp") select(current - 1);
    else if (event.key === "Enter" && current >= 0 && event.target === document.body) view(current);
    else return;
    event.preventDefault();
  });

  // --- controls, remembered over a reload

  const NAME = `apimodels:${location.pathname}`;
  const remember = () => {
    try {
      sessionStorage.setItem(NAME, JSON.stringify({
        query: query.value, state: stateSelect.value, sort: sortSelect.value, descending, follow: byId("follow").checked,
      }));
    } catch { /* storage is switched off */ }
  };
  const recall = () => {
    try {
      const kept = JSON.parse(sessionStorage.getItem(NAME) || "{}");
      query.value = kept.query || "";
      if (states.some(([each]) => each === kept.state)) stateSelect.value = kept.state;
      if (kept.sort) sortSelect.value = kept.sort;
      descending = kept.descending === true;
      byId("follow").checked = kept.follow !== false;
    } catch { /* storage is switched off */ }
  };
  // What was asked for now begins at the top.
  const changed = () => {
    apply();
    if (body.getBoundingClientRect().top < 0) window.scrollTo(0, 0);
  };
  let typed = 0;
  query.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(changed, 60);
  });
  stateSelect.addEventListener("change", changed);
  sortSelect.addEventListener("change", () => { descending = false; changed(); });
  direction.addEventListener("click", () => { descending = !descending; changed(); });
  byId("tools").addEventListener("submit", (event) => { event.preventDefault(); changed(); });
  for (const head of document.querySelectorAll("[data-key] button")) {
    head.addEventListener("click", () => {
      const key = head.parentElement.dataset.key;
      descending = sortSelect.value === key && !descending;
      sortSelect.value = key;
      changed();
    });
  }

  byId("tools").hidden = false;
  byId("follow").checked = true;
  recall();
  measure();
  apply();

  if (summary.state === "running") {
    byId("follow-label").hidden = false;
    byId("follow").addEventListener("change", remember);
    const pause = Math.max(5, rows.length / 200) * 1000;
    setInterval(() => {
      if (byId("follow").checked && !document.hidden && !viewer.open && document.activeElement !== query) location.reload();
    }, pause);
  }
})();
