// The wall fetches itself: when the server tells of a change, and by the clock, as ages grow. It does
// not while it is hidden or in use. Without this script the page is loaded again.
const wall = () => document.querySelector("#wall[data-seconds]");
if (wall()) {
  const MIN_MS = 3000; // Between two fetches, however much changes.
  let timer, fetched = Date.now(), stream;
  const later = (ms) => {
    clearTimeout(timer);
    timer = setTimeout(refresh, ms);
  };
  const heard = () => later(Math.max(0, fetched + MIN_MS - Date.now()));
  const listen = () => {
    stream?.close();
    stream = !document.hidden && globalThis.EventSource && new EventSource(location.href);
    if (!stream) return;
    stream.onmessage = heard;
    stream.onopen = heard; // What has changed since the page was made has not been told.
  };
  async function refresh() {
    const shown = wall();
    if (!shown) return stream?.close();
    if (!document.hidden && !shown.contains(document.activeElement)) {
      try {
        fetched = Date.now();
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
    const isTold = stream?.readyState === 1;
    later(shown.dataset.seconds * (isTold ? 2000 : 1000));
  }
  document.addEventListener("visibilitychange", listen);
  listen();
  later(wall().dataset.seconds * 1000);
}
