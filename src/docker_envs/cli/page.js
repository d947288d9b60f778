"use strict";
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  const facts = JSON.parse(one("#facts").textContent);
  const cells = all(".cell");
  const body = one("#packages tbody");
  const rows = all("#packages tbody tr");
  const byNumber = new Map(rows.map((row) => [row.dataset.n, row]));
  const search = one("#search");
  const detail = one("#detail");

  // Words must all be in a row; `layer:N` is a layer's number.
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const layers = words.filter((word) => word.startsWith("layer:")).map((word) => word.slice(6));
    const texts = words.filter((word) => !word.startsWith("layer:"));
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const fits = layers.every((layer) => layer === row.dataset.layer) && texts.every((word) => text.includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    for (const cell of cells) {
      const row = byNumber.get(cell.dataset.n);
      const fits = row ? !row.hidden : !texts.length && layers.every((layer) => layer === cell.dataset.layer);
      cell.classList.toggle("off", !fits);
    }
    one("#count").textContent = `${shown} of ${rows.length}`;
  };

  const describe = (number) => {
    detail.replaceChildren();
    const list = document.createElement("dl");
    for (const [name, value] of facts[number]) {
      const term = document.createElement("dt");
      const text = document.createElement("dd");
      term.textContent = name;
      text.textContent = value;
      list.append(term, text);
    }
    detail.append(list);
    detail.hidden = false;
  };

  const select = (number, scroll) => {
    for (const each of [...cells, ...rows]) {
      const on = each.dataset.n === number;
      each.classList.toggle("on", on);
      each.setAttribute(each.matches("tr") ? "aria-selected" : "aria-pressed", on);
    }
    const row = byNumber.get(number);
    if (row.hidden) {
      search.value = "";
      filter();
    }
    describe(number);
    if (scroll) row.scrollIntoView({ block: "nearest" });
  };

  const choose = (cell) => {
    if (cell.dataset.n !== undefined) {
      select(cell.dataset.n, true);
    } else {
      search.value = `layer:${cell.dataset.layer}`;
      filter();
    }
  };

  // One stop for the tabulator in the map and one in the table; arrows go on from there.
  const rove = (items, event, back, forth) => {
    const live = items.filter((item) => !item.hidden);
    const here = live.indexOf(event.currentTarget);
    const keys = { Home: 0, End: live.length - 1 };
    let next = keys[event.key];
    if (back.includes(event.key)) next = here - 1;
    if (forth.includes(event.key)) next = here + 1;
    if (live[next] === undefined) return;
    event.preventDefault();
    for (const item of items) item.tabIndex = -1;
    live[next].tabIndex = 0;
    live[next].focus();
  };
  const press = (event, act) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    act();
  };

  cells.forEach((cell, index) => {
    cell.setAttribute("tabindex", index ? -1 : 0);
    cell.addEventListener("click", () => choose(cell));
    cell.addEventListener("keydown", (event) => {
      press(event, () => choose(cell));
      rove(cells, event, ["ArrowLeft", "ArrowUp"], ["ArrowRight", "ArrowDown"]);
    });
  });
  rows.forEach((row, index) => {
    row.tabIndex = index ? -1 : 0;
    row.addEventListener("click", () => select(row.dataset.n, false));
    row.addEventListener("keydown", (event) => {
      press(event, () => select(row.dataset.n, false));
      rove([...body.rows], event, ["ArrowUp"], ["ArrowDown"]);
    });
  });

  const headings = all("#packages th");
  headings.forEach((heading, column) => {
    const numeric = heading.classList.contains("n");
    const value = (row) => (numeric ? Number(row.cells[column].dataset.v ?? -1) : row.cells[column].textContent);
    heading.querySelector("button").addEventListener("click", () => {
      const start = numeric && column > 0 && heading.dataset.first === "down" ? "descending" : "ascending";
      const other = start === "ascending" ? "descending" : "ascending";
      const order = heading.getAttribute("aria-sort") === start ? other : start;
      const sign = order === "ascending" ? 1 : -1;
      for (const each of headings) each.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", order);
      const compare = (a, b) => (numeric ? value(a) - value(b) : value(a).localeCompare(value(b)));
      body.append(...[...rows].sort((a, b) => sign * compare(a, b)));
    });
  });

  search.addEventListener("input", filter);
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    search.value = "";
    filter();
  });
  one(".bar").hidden = false;
  filter();
})();
