// Themes, shortcuts and sign-in links. Every page works without.
const root = document.documentElement;
const inField = (event) => event.target.closest("input, select, textarea, [contenteditable]");

const places = new Map(
  [...document.querySelectorAll("nav [data-key]")].map((link) => [link.dataset.key, link]),
);
let went = 0; // When `g` was pressed, in ms.

const rows = () => [...document.querySelectorAll("table.big tbody tr")].filter((row) => row.querySelector("a"));

function step(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + by))];
  next.querySelector("th a, a").focus();
  next.scrollIntoView({ block: "nearest" });
}

function follow(link) {
  link?.click();
  return Boolean(link);
}

const shortcuts = {
  "/": () => {
    const box = document.querySelector("#query") ?? document.querySelector("#find");
    box?.focus();
    box?.select();
    return Boolean(box);
  },
  "?": () => follow(document.querySelector('.foot a[href$="/help/keyboard"]')),
  "[": () => follow(document.querySelector('[data-step="["]')),
  "]": () => follow(document.querySelector('[data-step="]"]')),
  j: () => (step(1), true),
  k: () => (step(-1), true),
  g: (event) => ((went = event.timeStamp), true),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const open = document.activeElement.closest("details[open]:has(> .pop)");
    if (open) {
      open.open = false;
      open.querySelector("summary").focus();
    }
    return;
  }
  if (root.dataset.keys === "off" || event.ctrlKey || event.metaKey || event.altKey || inField(event)) return;
  const place = event.timeStamp - went < 1500 && places.get(event.key);
  went = 0;
  if (place ? follow(place) : shortcuts[event.key]?.(event)) event.preventDefault();
});

// A pop-up closes when something else is clicked.
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details[open]:has(> .pop)")) {
    if (!open.contains(event.target)) open.open = false;
  }
});

// A sign-in link holds the key behind the #, which is never sent and is forgotten here.
const form = document.querySelector("#sign-in");
const key = new URLSearchParams(location.hash.slice(1)).get("key");
if (form && key) {
  history.replaceState(null, "", location.pathname + location.search);
  form.elements.key.value = key;
  form.submit();
}
// Followed in a tab that has the page already, such a link changes the part behind the # alone. The
// page is loaded again, as its form may be out of date.
addEventListener("hashchange", () => {
  if (form && location.hash.startsWith("#key=")) location.reload();
});

// Fields with their default value are left out of the address.
for (const scope of document.querySelectorAll("form.scope")) {
  scope.addEventListener("submit", () => {
    const { from, to, range } = scope.elements;
    if (range && (from?.value || to?.value)) range.disabled = true;
    for (const field of scope.elements) {
      if (field.name && field.name !== "query" && !field.value) field.disabled = true;
    }
  });
}

for (const block of document.querySelectorAll("pre.copy")) {
  const button = document.createElement("button");
  button.className = "btn q";
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent);
    button.textContent = "Copied";
  });
  block.after(button);
}
