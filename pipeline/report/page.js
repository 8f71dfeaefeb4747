for (const head of document.querySelectorAll("th")) {
  // the keyboard sorts too
  head.addEventListener("keydown", (event) => { if (event.key === "Enter") head.click(); });
  head.addEventListener("click", () => {
    const body = head.closest("table").tBodies[0];
    const column = head.cellIndex;
    const down = head.dataset.order !== "down";
    for (const other of head.parentNode.cells) delete other.dataset.order;
    head.dataset.order = down ? "down" : "up";
    const key = (row) => row.cells[column].dataset.value;
    const compare = (a, b) => {
      // missing values stay last, whichever way the column is sorted
      if (key(a) === "nan" || key(b) === "nan") return (key(a) === "nan") - (key(b) === "nan");
      const [x, y] = [Number(key(a)), Number(key(b))];
      const order = Number.isNaN(x) || Number.isNaN(y) ? key(a).localeCompare(key(b)) : x - y;
      return down ? -order : order;
    };
    for (const row of [...body.rows].sort(compare)) body.append(row);
  });
}
