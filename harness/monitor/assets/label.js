"use strict";
// The label page. Whatever a customer or a model wrote goes through textContent: this script never writes markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const KEY = `harness-review:${data.sheet}`;
  const KEYS = [..."1234567890bdefghilmpqtvwyz"]; // what the others are is in the footer
  const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;
  const find = (name) => document.querySelector(`[data-${name}]`);
  const items = data.items;
  const [status, notice, choices, correct, note, reviewer] =
    ["status", "notice", "choices", "correct", "note", "reviewer"].map(find);

  let state = { labels: {}, reviewer: "", at: 0, past: [] };
  let looked = false, unsaved = false, keeps = true;

  function el(tag, properties = {}, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }

  // --- what is kept -------------------------------------------------------------------------------------------------
  function known(value) {
    const ids = new Set(items.map((item) => String(item.item)));
    const labels = Object.entries(value.labels || {}).filter(([id]) => ids.has(id));
    const at = Number.isInteger(value.at) ? Math.min(Math.max(value.at, 0), items.length - 1) : 0;
    return { labels: Object.fromEntries(labels), reviewer: String(value.reviewer || ""), at, past: Array.isArray(value.past) ? value.past : [] };
  }

  function recall() {
    try {
      state = known(JSON.parse(localStorage.getItem(KEY) || "{}"));
    } catch {
      keeps = false;
    }
  }

  function keep() {
    try {
      localStorage.setItem(KEY, JSON.stringify(state));
      keeps = true;
    } catch {
      keeps = false;
    }
    notice.hidden = keeps;
    if (!keeps) notice.textContent = "This browser keeps nothing for this page: save before you close it.";
  }

  // --- labelling ----------------------------------------------------------------------------------------------------
  const here = () => items[state.at];
  const entry = (item = here()) => state.labels[item.item] || { label: "", correct: "", note: "" };
  const count = () => Object.values(state.labels).filter((one) => one.label).length;

  function remember() {
    const { item } = here();
    state.past.push([item, state.labels[item] || null]);
    state.past = state.past.slice(-500);
  }

  function write(change) {
    state.labels[here().item] = { ...entry(), ...change, at: new Date().toISOString() };
    unsaved = true;
    keep();
  }

  function choose(label) {
    remember();
    write({ label });
    if (label === "wrong" && !data.tasks[here().task].byLabel) {
      draw();
      correct.focus();
    } else {
      onwards();
    }
  }

  // To the next one; from the last one, back to the first that was left out.
  function onwards() {
    if (state.at < items.length - 1) go(1);
    else open();
  }

  function go(by) {
    state.at = Math.min(Math.max(state.at + by, 0), items.length - 1);
    arrive();
  }

  function open() {
    const order = items.map((_, i) => (state.at + 1 + i) % items.length);
    const next = order.find((i) => !entry(items[i]).label);
    if (next !== undefined) state.at = next;
    arrive();
  }

  function undo() {
    const last = state.past.pop();
    if (!last) return;
    const [item, before] = last;
    if (before) state.labels[item] = before;
    else delete state.labels[item];
    state.at = Math.max(0, items.findIndex((one) => one.item === item));
    unsaved = true;
    arrive();
  }

  function arrive() {
    looked = false;
    if (document.activeElement instanceof HTMLElement && document.activeElement.closest("article")) document.activeElement.blur();
    keep();
    draw();
    find("item").scrollIntoView({ block: "nearest" });
  }

  // --- showing ------------------------------------------------------------------------------------------------------
  const keyOf = (i) => KEYS[i] || "";

  function button(label, key, words, pressed) {
    const node = el("button", { type: "button" }, ...(key ? [el("kbd", {}, key)] : []), el("span", {}, words));
    node.setAttribute("aria-pressed", String(pressed));
    if (key) node.setAttribute("aria-keyshortcuts", key);
    node.addEventListener("click", () => choose(label));
    return node;
  }

  function draw() {
    const item = here(), task = data.tasks[item.task], said = entry();
    find("item").hidden = false;
    find("place").textContent = `${state.at + 1} of ${items.length}`;
    find("task").textContent = item.task;
    find("when").textContent = item.when;
    find("input").textContent = item.input || "(nothing)";
    find("reply").textContent = item.reply || "(nothing)";
    const hidden = task.byLabel && !said.label && !looked;
    find("veil").hidden = !hidden;
    find("said").hidden = hidden;
    readAs(item, task, said);
    find("question").textContent = task.byLabel ? "Which label is right?" : "Is the reply right?";
    const nodes = task.choices.map((label, i) => button(label, keyOf(i), label, said.label === label));
    const unclear = button(data.unclear, "x", "cannot tell", said.label === data.unclear);
    unclear.className = "unclear";
    choices.replaceChildren(...nodes, unclear);
    find("correct-field").hidden = task.byLabel;
    correct.value = said.correct;
    note.value = said.note;
    walk();
  }

  function readAs(item, task, said) {
    const agrees = !task.byLabel || !said.label || said.label === data.unclear || said.label === item.value;
    const words = [el("span", {}, item.value ? "read as " : "no clear answer was read from it")];
    if (item.value) words.push(item.value.includes("\n") ? el("pre", { tabIndex: 0 }, item.value) : el("b", {}, item.value));
    if (item.compliant === false) words.push(el("span", {}, item.value ? ", which broke the contract" : ", and it broke the contract"));
    if (!agrees) words.push(el("span", { className: "differs" }, " · not what you say"));
    find("read").replaceChildren(...words);
  }

  function walk() {
    const n = count();
    find("progress").value = n;
    status.textContent = n === items.length ? `All ${n} labelled${unsaved ? ", not saved yet" : ""}.` : `${n} of ${items.length} labelled`;
    find("done").hidden = n < items.length;
    find("file").textContent = fileName("json");
    find("undo").disabled = !state.past.length;
    find("open").disabled = n === items.length;
    document.querySelector("[data-go='-1']").disabled = state.at === 0;
    document.querySelector("[data-go='1']").disabled = state.at === items.length - 1;
    [...find("strip").children].forEach((node, i) => {
      const { label } = entry(items[i]);
      node.className = `${label === data.unclear ? "unclear" : label ? "labelled" : ""}${i === state.at ? " here" : ""}`;
    });
  }

  // --- saving -------------------------------------------------------------------------------------------------------
  function fileName(ending) {
    const who = state.reviewer.trim().replace(/[^\p{L}\p{N}._-]+/gu, "-");
    return `${data.sheet}${who ? `.${who}` : ""}.${ending}`;
  }

  function labelled() {
    return items.filter((item) => entry(item).label).map((item) => ({ item: item.item, ...entry(item) }));
  }

  function cell(value) {
    const text = String(value), safe = FORMULA.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }

  function content(ending) {
    const who = state.reviewer.trim();
    if (ending === "json") return JSON.stringify({ format: data.format, sheet: data.sheet, reviewer: who, labels: labelled() }, null, 1) + "\n";
    const rows = labelled().map((one) => [data.sheet, one.item, one.label, one.correct, one.note, who]);
    return [["sheet", "item", "label", "correct", "note", "reviewer"], ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
  }

  function save(ending) {
    if (!count()) {
      status.textContent = "Nothing is labelled yet.";
      return;
    }
    const url = URL.createObjectURL(new Blob([content(ending)], { type: ending === "json" ? "application/json" : "text/csv" }));
    const link = el("a", { href: url, download: fileName(ending) });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    unsaved = false;
    walk();
    status.textContent = `${count()} of ${items.length} labelled, saved as ${fileName(ending)}`;
  }

  // --- hands --------------------------------------------------------------------------------------------------------
  const ACTIONS = {
    j: () => go(1), ArrowRight: () => go(1), k: () => go(-1), ArrowLeft: () => go(-1),
    u: undo, o: open, s: () => save("json"), x: () => choose(data.unclear),
    r: () => { looked = true; draw(); }, n: () => note.focus(),
    c: () => { if (!find("correct-field").hidden) correct.focus(); },
  };

  addEventListener("keydown", (event) => {
    const field = event.target.closest("input, textarea");
    if (event.isComposing) return;
    if (field) {
      if (event.key === "Escape") field.blur();
      if (event.key === "Enter" && !event.shiftKey && field !== reviewer) {
        event.preventDefault();
        field.blur();
        if (entry().label) onwards();
      }
      return;
    }
    if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      undo();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const place = KEYS.indexOf(event.key.toLowerCase());
    const label = place < 0 ? undefined : data.tasks[here().task].choices[place];
    const act = label === undefined ? ACTIONS[event.key] || ACTIONS[event.key.toLowerCase()] : () => choose(label);
    if (!act || event.repeat && label !== undefined) return;
    event.preventDefault();
    act();
  });

  for (const [field, name] of [[correct, "correct"], [note, "note"]]) {
    field.addEventListener("focus", remember);
    field.addEventListener("input", () => { write({ [name]: field.value }); walk(); });
    field.addEventListener("blur", () => {
      const last = state.past.at(-1);
      if (last && JSON.stringify(last[1]) === JSON.stringify(state.labels[last[0]] || null)) state.past.pop();
    });
  }
  reviewer.addEventListener("input", () => { state.reviewer = reviewer.value; keep(); walk(); });
  document.querySelectorAll("[data-save]").forEach((node) => node.addEventListener("click", () => save(node.dataset.save)));
  document.querySelectorAll("[data-go]").forEach((node) => node.addEventListener("click", () => go(Number(node.dataset.go))));
  find("undo").addEventListener("click", undo);
  find("open").addEventListener("click", open);
  find("look").addEventListener("click", ACTIONS.r);
  find("clear").addEventListener("click", () => {
    if (count() && !confirm(`Forget all ${count()} labels that this browser keeps of ${data.sheet}?`)) return;
    state = known({});
    unsaved = false;
    reviewer.value = "";
    arrive();
  });
  // The same sheet in another window: the one that was labelled last is right.
  addEventListener("storage", (event) => {
    if (event.key !== KEY) return;
    const { at } = state;
    recall();
    state.at = at;
    draw();
  });
  addEventListener("beforeunload", (event) => { if (unsaved && !keeps) event.preventDefault(); });

  find("strip").append(...items.map((item, i) => {
    const node = el("button", { type: "button", tabIndex: -1, title: `${i + 1}` });
    node.addEventListener("click", () => { state.at = i; arrive(); });
    return node;
  }));
  recall();
  reviewer.value = state.reviewer;
  keep();
  draw();
})();
