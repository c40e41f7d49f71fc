"use strict";
// The table of cases. Replies go through textContent: this script never writes markup.
(() => {
  const PAGE = matchMedia("(max-width: 700px)").matches ? 20 : 50, PRINTED = 500;

  function el(tag, properties = {}, ...children) {
    const { dataset, ...rest } = properties;
    const node = Object.assign(document.createElement(tag), rest);
    Object.assign(node.dataset, dataset);
    node.append(...children);
    return node;
  }

  const FILTERS = {
    all: () => true,
    wrong: (row, replies) => replies.some((r) => r.k !== "right" && r.k !== "error"),
    noncompliant: (row, replies) => replies.some((r) => r.c === 0),
    flipped: (row) => row.f === 1,
    error: (row, replies) => replies.some((r) => r.k === "error"),
  };

  function start(box) {
    const data = JSON.parse(document.getElementById(box.dataset.cases).textContent);
    const find = (name) => box.querySelector(`[data-${name}]`);
    const [body, status, cellSelect, codeSelect, search] = ["rows", "status", "cell", "code", "search"].map(find);
    const pagers = [...box.querySelectorAll("[data-pager]")];
    const counts = [...box.querySelectorAll("[data-count]")];
    let matching = [], page = 0;

    const chosen = () => box.querySelector("input[type=radio]:checked").value;
    const cellChosen = () => (cellSelect ? Number(cellSelect.value) : -1);

    function haystack(row) {
      row.h ??= [row.i, row.q, row.x, row.t.join(" "), ...row.r.flatMap((r) => (r ? [r.s, r.e, (r.z || []).join(" ")] : []))]
        .join("\n").toLowerCase();
      return row.h;
    }

    function select() {
      const cell = cellChosen(), code = codeSelect ? codeSelect.value : "", words = search.value.trim().toLowerCase();
      const tally = Object.fromEntries(Object.keys(FILTERS).map((key) => [key, 0]));
      const wanted = chosen();
      matching = data.rows.filter((row) => {
        const replies = (cell < 0 ? row.r : [row.r[cell]]).filter(Boolean);
        if (!replies.length || (code && !replies.some((r) => r.z && r.z.includes(code)))) return false;
        if (words && !haystack(row).includes(words)) return false;
        let kept = false;
        for (const key in FILTERS) {
          if (!FILTERS[key](row, replies)) continue;
          tally[key] += 1;
          kept ||= key === wanted;
        }
        return kept;
      });
      for (const count of counts) count.textContent = tally[count.dataset.count].toLocaleString("en");
      page = 0;
      draw();
    }

    function reading(reply) {
      const node = el("span", { className: `mark k-${reply.k}` }, data.words[reply.k]);
      const value = reply.v || reply.l;
      if (value && reply.k !== "right") node.append(": ", el("bdi", {}, value.slice(0, 80)));
      return node;
    }

    function replyCell(reply, i) {
      const td = el("td", { className: "reply-cell", dataset: { label: data.cells[i] } });
      if (!reply) return td.append("not run"), td;
      td.append(reading(reply), el("div", { className: "clamp" }, (reply.e ?? reply.s).slice(0, 300) || "(empty)"));
      if (reply.z) td.append(el("span", { className: "tags" }, reply.z.join(", ")));
      return td;
    }

    function block(title, text, ...notes) {
      const shown = el("pre", { className: "reply", tabIndex: 0 }, el("bdi", {}, text || "(empty)"));
      shown.setAttribute("aria-label", title);
      const meta = notes.filter(Boolean).map((note) => el("p", { className: "meta" }, note));
      return el("div", { className: "column" }, el("h5", {}, title), shown, ...meta);
    }

    function detail(row) {
      const replies = row.r.flatMap((r, i) => {
        if (!r) return [];
        const codes = (r.z || []).map((code) => (data.codes[code] ? `${code}: ${data.codes[code]}` : code)).join(" · ");
        const whole = r.n && `${r.n.toLocaleString("en")} characters in total. A .jsonl or .json report has the full reply`;
        const read = `${data.words[r.k]} · strict: ${r.v ?? "not usable"} · lenient: ${r.l ?? "no clear answer"}`;
        return [block(data.cells[i], r.e ?? r.s, r.k === "error" ? "call failed" : read, codes, r.m, whole)];
      });
      const expected = `expected: ${row.x}${row.t.length ? ` · ${row.t.join(", ")}` : ""}`;
      const td = el("td", { colSpan: 3 + data.cells.length }, block("input", row.q, expected), el("div", { className: "examples" }, ...replies));
      return el("tr", { className: "detail" }, td);
    }

    function line(row) {
      const button = el("button", { type: "button", className: "id" }, row.i);
      button.setAttribute("aria-expanded", "false");
      const tags = el("div", { className: "tags" }, row.t.join(", "));
      const tr = el("tr", {},
        el("th", { scope: "row" }, button, tags),
        el("td", { className: "input", dataset: { label: "input" } }, el("div", { className: "clamp" }, row.q.slice(0, 400))),
        el("td", { dataset: { label: "expected" } }, el("bdi", {}, row.x.slice(0, 200))),
        ...row.r.map(replyCell));
      button.addEventListener("click", () => {
        const open = button.getAttribute("aria-expanded") === "true";
        button.setAttribute("aria-expanded", String(!open));
        if (open) tr.nextElementSibling.remove();
        else tr.after(detail(row));
      });
      return tr;
    }

    function draw() {
      const first = page * PAGE, shown = matching.slice(first, first + PAGE);
      body.replaceChildren(...shown.map(line));
      const n = (count) => count.toLocaleString("en");
      const all = matching.length === data.rows.length ? `${n(data.rows.length)} cases` : `${n(matching.length)} of ${n(data.rows.length)} cases match`;
      status.textContent = !matching.length ? "No case matches." : matching.length > PAGE ? `${all}, ${n(first + 1)}–${n(first + shown.length)} shown` : all;
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
    search.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(select, 120); });
    box.addEventListener("change", (event) => { if (event.target !== search) select(); });

    // Print only cases that are not right, and at most PRINTED of them.
    addEventListener("beforeprint", () => {
      const notRight = data.rows.filter((row) => row.r.some((r) => r && r.k !== "right"));
      body.replaceChildren(...notRight.slice(0, PRINTED).map(line));
      status.textContent = `Printed: ${Math.min(PRINTED, notRight.length)} of ${notRight.length} cases that are not right in every cell (${data.rows.length} cases in total).`;
    });
    addEventListener("afterprint", draw);

    box.style.setProperty("--n", data.cells.length);
    box.hidden = false;
    select();
  }

  document.querySelectorAll("[data-cases]").forEach(start);
  // A link to an example opens it.
  const reveal = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", reveal);
  // A link to a case has the table of cases search for it.
  for (const link of document.querySelectorAll("a[data-find]")) {
    link.addEventListener("click", () => {
      const search = document.querySelector(`${link.getAttribute("href")} [data-search]`);
      if (!search) return;
      search.value = link.dataset.find;
      search.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }
  reveal();
})();
