// The wall fetches itself, unless it is hidden or in use; without this script the page is loaded again.
const wall = () => document.querySelector("#wall[data-seconds]");
if (wall()) {
  const refresh = async () => {
    const shown = wall();
    if (!shown) return;
    if (!document.hidden && !shown.contains(document.activeElement)) {
      try {
        const answer = await fetch(location.href);
        if (answer.redirected) return location.reload(); // The session has ended.
        if (!answer.ok) throw new Error(answer.status);
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        shown.replaceWith(page.querySelector("#wall"));
        document.title = page.title;
      } catch {
        shown.querySelector(".sub").classList.add("bad"); // Its time shows since when.
      }
    }
    setTimeout(refresh, shown.dataset.seconds * 1000);
  };
  setTimeout(refresh, wall().dataset.seconds * 1000);
}
