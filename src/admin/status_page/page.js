// Keeps the status page up to date: asks for its changing parts, and puts in place those that differ. Rests while
// nobody looks. Without it the page is whole, and of the moment it was asked for.
"use strict";

const EVERY = 2000;
const SLOWER = 10000;
const live = document.getElementById("live");
const pulse = document.getElementById("pulse");
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const known = new Map();
let timer = 0;
let asking = false;
// The key is not accepted any more: asking again with it would look like guessing.
let over = false;

// Moments come in UTC and are shown as this place has them.
function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.getTime())) {
      time.textContent = clock.format(moment);
      time.title = calendar.format(moment);
    }
  }
}

function show(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const name = part.dataset.part;
    const current = live.querySelector(`[data-part="${CSS.escape(name)}"]`);
    if (current && known.get(name) !== part.innerHTML) {
      known.set(name, part.innerHTML);
      // Who stands on something here with the keyboard, or has marked it, is not disturbed; the next time will do.
      const selection = document.getSelection();
      const marked = selection && !selection.isCollapsed && current.contains(selection.anchorNode);
      if (marked || current.contains(document.activeElement)) {
        known.delete(name);
        continue;
      }
      localise(part);
      current.replaceChildren(...part.childNodes);
    }
  }
}

async function refresh() {
  if (over || asking || document.hidden) {
    return;
  }
  asking = true;
  let wait = EVERY;
  try {
    const answer = await fetch("/admin/status/live", { cache: "no-store", headers: { accept: "text/html" } });
    if (answer.status === 401 || answer.status === 403) {
      over = true;
      pulse.textContent = "the key is not accepted any more; reload this page to sign in";
      pulse.classList.add("lost");
      return;
    }
    if (!answer.ok) {
      throw new Error(`status ${answer.status}`);
    }
    show(await answer.text());
    pulse.textContent = "up to date";
    pulse.classList.remove("lost");
  } catch {
    if (!pulse.classList.contains("lost")) {
      pulse.textContent = `not reachable since ${clock.format(new Date())}; what is shown is older`;
      pulse.classList.add("lost");
    }
    wait = SLOWER;
  } finally {
    asking = false;
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, wait);
}

for (const part of live.querySelectorAll("[data-part]")) {
  known.set(part.dataset.part, part.innerHTML);
}
localise(live);
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (over) {
    return;
  }
  if (document.hidden) {
    pulse.textContent = "paused";
  } else {
    refresh();
  }
});
refresh();
