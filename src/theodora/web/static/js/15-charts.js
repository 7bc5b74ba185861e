// Charts of many intervals take words and links from the table with the same values.
const SVG = "http://www.w3.org/2000/svg";
const made = (name, parts = [], attributes = {}) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...parts);
  return element;
};

for (const chart of document.querySelectorAll(".hit[data-cells]")) {
  const table = chart.closest("section").querySelector("table.mini");
  const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  const wanted = chart.dataset.cells.split(" ").map((cell) => Number(cell) + 1);
  [...table.tBodies[0].rows].forEach((row, slot) => {
    const link = row.cells[0].querySelector("a");
    const values = wanted.map((cell) => `${heads[cell].toLowerCase()} ${row.cells[cell].textContent}`);
    const title = made("title", [`${link.textContent}: ${values.join(", ")}`]);
    const place = made("rect", [], { x: slot });
    chart.append(made("a", [place, title], { href: link.getAttribute("href"), tabindex: -1 }));
  });
}
