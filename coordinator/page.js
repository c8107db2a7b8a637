"use strict";
/* Tables sort by their heads. */
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  if (body.rows.length < 2) continue;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-label", "sort by " + head.textContent);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      const key = row => {
        const cell = row.cells[column];
        return cell.dataset.v !== undefined ? Number(cell.dataset.v) : cell.classList.contains("none") ? null : cell.textContent;
      };
      const order = (a, b) => a === b ? 0 : a === null ? 1 : b === null ? -1 : (down ? -1 : 1) *
        (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", {numeric: true}));
      const rows = [...body.rows].map(row => [key(row), row]).sort((a, b) => order(a[0], b[0]));
      body.append(...rows.map(pair => pair[1]));
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
    });
  });
}
