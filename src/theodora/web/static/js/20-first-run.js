// The first page asks every two seconds whether an event has come, shows it, and can be stopped.
const waiting = document.querySelector("#waiting[data-ask]");
if (waiting) {
  const status = waiting.querySelector("[role=status]");
  const stop = document.createElement("button");
  stop.className = "btn q";
  stop.type = "button";
  stop.textContent = "Stop";
  waiting.append(stop);
  status.textContent = "Looking every 2 seconds. ";
  const timer = setInterval(async () => {
    const answer = await fetch(waiting.dataset.ask, { headers: { Accept: "application/json" } });
    const { go, refused } = answer.ok ? await answer.json() : {};
    if (go) location.href = go;
    if (refused) waiting.querySelector("b").textContent = refused;
  }, 2000);
  stop.addEventListener("click", () => {
    clearInterval(timer);
    status.textContent = "No longer looking.";
    stop.remove();
  });
}
