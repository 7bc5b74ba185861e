// Completion for the search box (ARIA: an editable combobox with a list box). Without it the box
// is a plain field. Arrows choose, Tab or Enter takes, Esc closes; Enter with nothing chosen submits.
const box = document.querySelector("input#query");
const suggest = box?.dataset.complete;
if (suggest) {
  const list = document.createElement("ul");
  list.id = "suggestions";
  list.className = "ac";
  list.role = "listbox";
  list.ariaLabel = "Suggestions";
  list.hidden = true;
  box.closest(".fld").append(list);
  box.role = "combobox";
  box.ariaAutoComplete = "list";
  box.setAttribute("aria-controls", list.id);
  box.ariaExpanded = "false";

  let place = { start: 0, end: 0, items: [] };
  let chosen = -1;
  let timer = 0;
  let asked = 0;

  const close = () => {
    clearTimeout(timer);
    asked += 1; // What was asked before is overtaken.
    list.hidden = true;
    chosen = -1;
    box.ariaExpanded = "false";
    box.removeAttribute("aria-activedescendant");
  };

  const choose = (index) => {
    list.children[chosen]?.setAttribute("aria-selected", "false");
    chosen = (index + place.items.length) % place.items.length;
    const option = list.children[chosen];
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    box.setAttribute("aria-activedescendant", option.id);
  };

  // Places are counted in characters, as the server does, and not in units of UTF-16.
  const take = (item) => {
    const characters = [...box.value];
    const before = characters.slice(0, place.start).join("") + item.text;
    const after = characters.slice(place.end).join("").replace(/^ /, item.text.endsWith(" ") ? "" : " ");
    box.value = before + after;
    box.setSelectionRange(before.length, before.length);
    box.focus();
    ask();
  };

  const show = (found) => {
    place = found;
    chosen = -1;
    box.removeAttribute("aria-activedescendant");
    list.replaceChildren(
      ...found.items.map((item, index) => {
        const option = document.createElement("li");
        option.id = `suggestion-${index}`;
        option.role = "option";
        option.setAttribute("aria-selected", "false");
        option.append(item.label);
        const note = document.createElement("span");
        note.textContent = item.deployments ?? item.about ?? "";
        option.append(note);
        option.addEventListener("mousedown", (event) => {
          event.preventDefault();
          take(item);
        });
        return option;
      }),
    );
    list.hidden = !found.items.length;
    box.ariaExpanded = String(!list.hidden);
  };

  const ask = () => {
    clearTimeout(timer);
    const number = (asked += 1);
    timer = setTimeout(async () => {
      const url = new URL(suggest, location.href);
      url.searchParams.set("query", box.value);
      url.searchParams.set("at", [...box.value.slice(0, box.selectionStart)].length);
      try {
        const answer = await fetch(url, { headers: { Accept: "application/json" } });
        const found = answer.ok && !answer.redirected ? await answer.json() : { items: [] };
        if (number === asked && document.activeElement === box) show(found);
      } catch {
        close();
      }
    }, 120);
  };

  box.addEventListener("input", ask);
  box.addEventListener("blur", close);
  box.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (list.hidden) {
      if (event.key === "ArrowDown") {
        event.preventDefault();
        ask();
      }
      return;
    }
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen < 0 ? -1 : chosen - 1);
    else if (event.key === "Escape") close();
    else if ((event.key === "Enter" || (event.key === "Tab" && !event.shiftKey)) && chosen >= 0) take(place.items[chosen]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
