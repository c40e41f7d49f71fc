"use strict";
// Opens the closed section that a link or the address leads to, and all sections for printing.
(() => {
  const target = () => {
    const id = decodeURIComponent(location.hash.slice(1).split("?")[0]);
    return id ? document.getElementById(id) : null;
  };
  const reveal = () => {
    const found = target();
    for (let at = found; at; at = at.parentElement) {
      if (at.tagName === "DETAILS") at.open = true;
    }
    if (found) found.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details.section:not([open])")].filter((at) => !at.querySelector(".cases"));
    for (const section of closed) section.open = true;
  });
  addEventListener("afterprint", () => {
    for (const section of closed) section.open = false;
  });
  reveal();
})();
