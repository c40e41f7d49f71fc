"use strict";
// The table of cases. Replies go through textContent: this script never writes markup.
// Filters, search, chosen cells and the open case are in the address, after the id of the section:
//   #e1-cases?show=wrong&q=refund&open=tt-004
(() => {
  const PAGE = matchMedia("(max-width: 700px)").matches ? 20 : 50, PRINTED = 500, SHOWN_CELLS = 3;
  const DIFF_LIMIT = 4e6;

  function el(tag, properties = {}, ...children) {
    const { dataset, ...rest } = properties;
    const node = Object.assign(document.createElement(tag), rest);
    Object.assign(node.dataset, dataset);
    node.append(...children);
    return node;
  }

  const right = (reply) => reply.k === "right";
  const answered = (reply) => reply && reply.k !== "error";

  // Each filter gets the row, its shown replies, and the replies of base and head.
  const FILTERS = {
    all: () => true,
    wrong: (row, replies) => replies.some((r) => !right(r) && r.k !== "error"),
    noncompliant: (row, replies) => replies.some((r) => r.c === 0),
    flipped: (row, replies, base, head) => answered(base) && answered(head) && right(base) !== right(head),
    lost: (row, replies, base, head) => answered(base) && answered(head) && right(base) && !right(head),
    gained: (row, replies, base, head) => answered(base) && answered(head) && !right(base) && right(head),
    error: (row, replies) => replies.some((r) => r.k === "error"),
  };

  // JSON is shown with one key per line.
  function pretty(text) {
    if (!/^\s*[[{]/.test(text)) return text;
    try {
      return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      return text;
    }
  }

  const words = (text) => text.match(/\s+|[^\s]+/g) || [];

  // Word diff by the longest common subsequence: two lists of [word, kept]. Null if the texts are too long.
  function diff(before, after) {
    const a = words(before), b = words(after);
    let start = 0, end = 0;
    while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
    while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
    const n = a.length - start - end, m = b.length - start - end;
    if (n * m > DIFF_LIMIT) return null;
    const width = m + 1, longest = new Uint32Array((n + 1) * width);
    for (let i = n - 1; i >= 0; i -= 1) {
      for (let j = m - 1; j >= 0; j -= 1) {
        longest[i * width + j] = a[start + i] === b[start + j]
          ? longest[(i + 1) * width + j + 1] + 1
          : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
      }
    }
    const left = a.map((word) => [word, true]), other = b.map((word) => [word, true]);
    let i = 0, j = 0;
    while (i < n || j < m) {
      if (i < n && j < m && a[start + i] === b[start + j]) {
        i += 1;
        j += 1;
      } else if (j >= m || (i < n && longest[(i + 1) * width + j] >= longest[i * width + j + 1])) {
        left[start + i][1] = false;
        i += 1;
      } else {
        other[start + j][1] = false;
        j += 1;
      }
    }
    return [left, other];
  }

  function marked(parts, tag) {
    const nodes = [];
    for (const [word, kept] of parts) {
      if (kept || !word.trim()) nodes.push(document.createTextNode(word));
      else nodes.push(el(tag, {}, word));
    }
    return nodes;
  }

  function start(box) {
    const section = box.closest("details, section");
    const data = JSON.parse(document.getElementById(box.dataset.cases).textContent);
    const find = (name) => box.querySelector(`[data-${name}]`);
    const [head, body, status, cellSelect, codeSelect, search] = ["head", "rows", "status", "cell", "code", "search"].map(find);
    const [baseSelect, headSelect, chooser] = ["base", "versus", "cells-shown"].map(find);
    const pagers = [...box.querySelectorAll("[data-pager]")];
    const counts = [...box.querySelectorAll("[data-count]")];
    const boxes = chooser ? [...chooser.querySelectorAll("input")] : [];
    let matching = [], page = 0, open = null;

    const chosen = () => box.querySelector("input[type=radio]:checked").value;
    const cellChosen = () => (cellSelect ? Number(cellSelect.value) : -1);
    const shown = () => (boxes.length ? boxes.filter((each) => each.checked).map((each) => Number(each.value)) : data.cells.map((_, i) => i));
    const pair = () => (baseSelect ? [Number(baseSelect.value), Number(headSelect.value)] : [0, 0]);

    function haystack(row) {
      row.h ??= [row.i, row.q, row.x, row.t.join(" "), ...row.r.flatMap((r) => (r ? [r.s, r.e, (r.z || []).join(" ")] : []))]
        .join("\n").toLowerCase();
      return row.h;
    }

    function select() {
      const cell = cellChosen(), cells = cell < 0 ? shown() : [cell], [base, versus] = pair();
      const code = codeSelect ? codeSelect.value : "", sought = search.value.trim().toLowerCase();
      const tally = Object.fromEntries(Object.keys(FILTERS).map((key) => [key, 0]));
      const wanted = chosen();
      matching = data.rows.filter((row) => {
        const replies = cells.map((i) => row.r[i]).filter(Boolean);
        if (!replies.length || (code && !replies.some((r) => r.z && r.z.includes(code)))) return false;
        if (sought && !haystack(row).includes(sought)) return false;
        let kept = false;
        for (const key in FILTERS) {
          if (!FILTERS[key](row, replies, row.r[base], row.r[versus])) continue;
          tally[key] += 1;
          kept ||= key === wanted;
        }
        return kept;
      });
      for (const count of counts) count.textContent = tally[count.dataset.count].toLocaleString("en");
      page = 0;
      draw();
    }

    // The address, without what is at its default.
    function remember() {
      const state = new URLSearchParams();
      if (chosen() !== "all") state.set("show", chosen());
      if (cellChosen() >= 0) state.set("cell", cellSelect.value);
      if (codeSelect && codeSelect.value) state.set("code", codeSelect.value);
      if (search.value.trim()) state.set("q", search.value.trim());
      if (boxes.some((each) => each.checked !== each.defaultChecked)) state.set("cells", shown().join(","));
      if (baseSelect && (baseSelect.value !== baseSelect.dataset.default || headSelect.value !== headSelect.dataset.default)) state.set("pair", pair().join(","));
      if (open) state.set("open", open.i);
      const text = String(state);
      history.replaceState(null, "", `#${section.id}${text ? `?${text}` : ""}`);
    }

    function restore() {
      const [id, query] = location.hash.slice(1).split("?");
      if (id !== section.id || query === undefined) return;
      const state = new URLSearchParams(query);
      const radio = box.querySelector(`input[type=radio][value="${CSS.escape(state.get("show") || "all")}"]`);
      if (radio) radio.checked = true;
      if (cellSelect) cellSelect.value = state.get("cell") ?? "-1";
      if (codeSelect) codeSelect.value = state.get("code") ?? "";
      search.value = state.get("q") ?? "";
      const cells = state.get("cells");
      for (const each of boxes) each.checked = cells === null ? each.defaultChecked : cells.split(",").includes(each.value);
      if (baseSelect) {
        const [base, versus] = (state.get("pair") ?? "").split(",");
        baseSelect.value = base || baseSelect.dataset.default;
        headSelect.value = versus || headSelect.dataset.default;
      }
      open = null;
      select();
      const wanted = state.get("open");
      if (wanted !== null) show(data.rows.find((row) => row.i === wanted), true);
    }

    function reading(reply) {
      const node = el("span", { className: `mark k-${reply.k}` }, data.words[reply.k]);
      const value = reply.v || reply.l;
      if (value && !right(reply)) node.append(": ", el("bdi", {}, value.slice(0, 80)));
      return node;
    }

    function replyCell(reply, i) {
      const td = el("td", { className: "reply-cell", dataset: { label: data.cells[i] } });
      if (!reply) return td.append("not run"), td;
      td.append(reading(reply), el("div", { className: "clamp" }, (reply.e ?? reply.s).slice(0, 300) || "(empty)"));
      if (reply.z) td.append(el("span", { className: "tags" }, reply.z.join(", ")));
      return td;
    }

    function block(title, content, ...notes) {
      const text = el("pre", { className: "reply", tabIndex: 0 }, el("bdi", {}, ...(content.length ? content : ["(empty)"])));
      text.setAttribute("aria-label", title);
      const meta = notes.filter(Boolean).map((note) => el("p", { className: "meta" }, note));
      return el("div", { className: "column" }, el("h4", {}, title), text, ...meta);
    }

    function replyBlock(row, i, content) {
      const r = row.r[i];
      const codes = (r.z || []).map((code) => (data.codes[code] ? `${code}: ${data.codes[code]}` : code)).join(" · ");
      const whole = r.n && `${r.n.toLocaleString("en")} characters in total. A .jsonl or .json report has the full reply`;
      const read = `${data.words[r.k]} · strict: ${r.v ?? "not usable"} · lenient: ${r.l ?? "no clear answer"}`;
      const text = r.e ?? pretty(r.s);
      return block(data.cells[i], content ?? (text ? [text] : []), r.k === "error" ? "call failed" : read, codes, r.m, whole);
    }

    // Base and head first, with their difference; then the other shown cells.
    function replies(row) {
      const [base, versus] = pair(), made = [];
      const both = base !== versus && row.r[base] && row.r[versus] ? [base, versus] : [];
      if (both.length) {
        const parts = both.every((i) => row.r[i].e === undefined) ? diff(...both.map((i) => pretty(row.r[i].s))) : null;
        both.forEach((i, place) => made.push(replyBlock(row, i, parts && marked(parts[place], place ? "ins" : "del"))));
      }
      for (const i of shown()) if (!both.includes(i) && row.r[i]) made.push(replyBlock(row, i));
      return el("div", { className: "examples" }, ...made);
    }

    // The messages of a prompt for this case: those of the first case, except where they differ.
    function prompts(row) {
      return data.prompts.map((prompt, p) => {
        const own = row.p?.[p] ?? [];
        const turns = prompt.messages.map(([role, before, after], m) => {
          const text = after === null ? before : `${before}${own[m] ?? row.q}${after}`;
          return el("div", { className: "turn" }, el("p", { className: "meta" }, role), el("pre", { className: "reply", tabIndex: 0 }, el("bdi", {}, text)));
        });
        return el("details", { className: "prompt" }, el("summary", {}, `prompt ${prompt.name}`), ...turns);
      });
    }

    function detail(row) {
      const button = (text, action) => {
        const node = el("button", { type: "button" }, text);
        node.addEventListener("click", () => action(node));
        return node;
      };
      const copy = async (node) => {
        try {
          await navigator.clipboard.writeText(location.href);
          node.textContent = "link copied";
        } catch {
          node.textContent = "copy the address of this page";
        }
      };
      const tools = el("p", { className: "case-tools" },
        button("previous (k)", () => step(-1)), button("next (j)", () => step(1)), button("copy link", copy), button("close (Esc)", () => show(null)));
      const meta = [`expected: ${row.x || "–"}`, row.t.length ? `tags: ${row.t.join(", ")}` : "", row.d].filter(Boolean).join(" · ");
      const td = el("td", { colSpan: 3 + shown().length },
        tools, replies(row), block("input", row.q ? [pretty(row.q)] : [], meta), ...prompts(row));
      return el("tr", { className: "detail" }, td);
    }

    function line(row) {
      const button = el("button", { type: "button", className: "id" }, row.i);
      const isOpen = open === row;
      button.setAttribute("aria-expanded", String(isOpen));
      const tr = el("tr", { className: isOpen ? "opened" : "" },
        el("th", { scope: "row" }, button, el("div", { className: "tags" }, row.t.join(", "))),
        el("td", { className: "input", dataset: { label: "input" } }, el("div", { className: "clamp" }, row.q.slice(0, 400))),
        el("td", { className: "expected", dataset: { label: "expected" } }, el("div", { className: "clamp" }, row.x.slice(0, 200))),
        ...shown().map((i) => replyCell(row.r[i], i)));
      button.addEventListener("click", () => show(open === row ? null : row));
      return isOpen ? [tr, detail(row)] : [tr];
    }

    // Open a case, or close the open case. `into`: also scroll to it.
    function show(row, into = false) {
      const before = open;
      open = row ?? null;
      if (open) {
        let place = matching.indexOf(open);
        if (place < 0) {
          box.querySelector("input[type=radio][value=all]").checked = true;
          search.value = "";
          if (codeSelect) codeSelect.value = "";
          if (cellSelect) cellSelect.value = "-1";
          select();
          place = matching.indexOf(open);
        }
        page = Math.max(0, Math.floor(place / PAGE));
      }
      draw();
      remember();
      const button = [...body.querySelectorAll(".id")].find((each) => each.textContent === (open ?? before)?.i);
      if (!button) return;
      button.focus({ preventScroll: true });
      if (into) {
        for (let at = section; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
        button.closest("tr").scrollIntoView({ block: "start" });
      } else {
        button.closest("tr").scrollIntoView({ block: "nearest" });
      }
    }

    function step(by) {
      const place = open ? matching.indexOf(open) + by : 0;
      if (place >= 0 && place < matching.length) show(matching[place]);
    }

    function draw() {
      const cells = shown(), first = page * PAGE, rows = matching.slice(first, first + PAGE);
      box.style.setProperty("--n", cells.length);
      head.replaceChildren(...["case", "input", "expected"].map((name) => el("th", { scope: "col" }, name)),
        ...cells.map((i) => el("th", { scope: "col", className: "cell" }, data.cells[i])));
      body.replaceChildren(...rows.flatMap(line));
      const n = (count) => count.toLocaleString("en");
      const all = matching.length === data.rows.length ? `${n(data.rows.length)} cases` : `${n(matching.length)} of ${n(data.rows.length)} cases match`;
      status.textContent = !matching.length ? "No case matches." : matching.length > PAGE ? `${all}, ${n(first + 1)}–${n(first + rows.length)} shown` : all;
      const last = Math.max(0, Math.ceil(matching.length / PAGE) - 1);
      for (const pager of pagers) {
        pager.hidden = last === 0;
        const [previous, next] = pager.children;
        previous.disabled = page === 0;
        next.disabled = page === last;
      }
    }

    function turn(by) {
      page += by;
      draw();
      box.querySelector(".status").scrollIntoView({ block: "nearest" });
    }

    for (const pager of pagers) {
      const button = (name, by) => {
        const node = el("button", { type: "button" }, name);
        node.addEventListener("click", () => turn(by));
        return node;
      };
      pager.append(button("previous", -1), button("next", 1));
    }
    let typing;
    search.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => { select(); remember(); }, 120);
    });
    box.addEventListener("change", (event) => {
      if (event.target === search) return;
      select();
      remember();
    });
    box.addEventListener("keydown", (event) => {
      if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
      const by = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
      const arrows = event.key.startsWith("Arrow");
      if (by && (!arrows || event.target.matches(".id"))) {
        event.preventDefault();
        step(by);
      } else if (event.key === "Escape" && open) {
        show(null);
      }
    });

    // Print only cases that are not right, and at most PRINTED of them.
    addEventListener("beforeprint", () => {
      const notRight = data.rows.filter((row) => row.r.some((r) => r && !right(r)));
      open = null;
      body.replaceChildren(...notRight.slice(0, PRINTED).flatMap(line));
      status.textContent = `Printed: ${Math.min(PRINTED, notRight.length)} of ${notRight.length} cases that are not right in every cell (${data.rows.length} cases in total).`;
    });
    addEventListener("afterprint", draw);

    box.hidden = false;
    select();
    restore();
    addEventListener("hashchange", restore);
  }

  document.querySelectorAll("[data-cases]").forEach(start);
})();
