"use strict";
// What needs a script: live parts, times that say how long ago, keys, copy buttons. All else works without.

const words = document.body.dataset;
const connection = document.getElementById("connection");

// Times: relative in the page, in the browser's own zone under the pointer.
const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const steps = [[60, "second", 1], [3600, "minute", 60], [86400, "hour", 3600], [Infinity, "day", 86400]];

function showTimes() {
  for (const element of document.querySelectorAll("time[datetime]")) {
    const at = new Date(element.dateTime);
    const seconds = (at - Date.now()) / 1000;
    const [, unit, size] = steps.find(([limit]) => Math.abs(seconds) < limit);
    const text = ago.format(Math.trunc(seconds / size), unit);
    if (element.textContent !== text) element.textContent = text;
    element.title = exact.format(at);
  }
}

function showCopyButtons() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll(".copy[hidden]")) button.hidden = false;
}

function dress() {
  showTimes();
  showCopyButtons();
}

// Live parts: closed while nobody looks, opened again by themselves.
const live = document.querySelector("[data-live]");
let source = null;
let lost = false;
let back = 0;

function inUse() {
  const focus = document.activeElement;
  const typing = focus && live.contains(focus) && /^(INPUT|SELECT|TEXTAREA)$/.test(focus.tagName);
  const chosen = window.getSelection();
  const selecting = chosen && !chosen.isCollapsed && live.contains(chosen.anchorNode);
  return typing || selecting || live.querySelector("details[open]") !== null;
}

function say(text, bad) {
  connection.textContent = text;
  connection.className = bad ? "note bad" : "note good";
  connection.hidden = text === "";
}

function place(html) {
  const focus = document.activeElement;
  const held = live.contains(focus) ? [...live.querySelectorAll("a, button, [tabindex]")].indexOf(focus) : -1;
  const scrolled = [...live.querySelectorAll(".scroll")].map((element) => [element.scrollLeft, element.scrollTop]);
  live.innerHTML = html;
  live.querySelectorAll(".scroll").forEach((element, at) => {
    [element.scrollLeft, element.scrollTop] = scrolled[at] || [0, 0];
  });
  dress();
  if (held >= 0) live.querySelectorAll("a, button, [tabindex]")[held]?.focus({ preventScroll: true });
}

function open() {
  if (source !== null || live === null || document.hidden) return;
  source = new EventSource(live.dataset.live);
  source.addEventListener("live", (event) => {
    if (Date.now() - back > 3000) say("", false);
    if (!inUse()) place(event.data);
  });
  source.addEventListener("trouble", (event) => say(event.data, true));
  source.addEventListener("ended", (event) => { say(event.data, true); close(); });
  source.onopen = () => { if (lost) { say(words.back, false); lost = false; back = Date.now(); } };
  source.onerror = () => {
    lost = true;
    say(words.lost, true);
    if (source !== null && source.readyState === EventSource.CLOSED) { close(); again(); }
  };
}

// The console answers, but not with what is live: sessions are over when it has begun anew.
async function again() {
  const answer = await fetch(location.href, { redirect: "manual" }).catch(() => null);
  if (answer !== null && answer.type === "opaqueredirect") say(words.ended, true);
  else setTimeout(open, 1000);
}

function close() {
  if (source !== null) source.close();
  source = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
window.addEventListener("pagehide", close);
window.addEventListener("pageshow", open);

document.addEventListener("click", async (event) => {
  const button = event.target.closest(".copy");
  if (button === null) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  const text = button.textContent;
  button.textContent = words.copied;
  setTimeout(() => { button.textContent = text; }, 1200);
});

// Keys: g and a letter, / and ?.
let afterG = 0;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (Date.now() - afterG < 1500) {
    afterG = 0;
    const link = document.querySelector(`nav a[data-key="${CSS.escape(event.key)}"]`);
    if (link !== null) { event.preventDefault(); link.click(); }
  } else if (event.key === "g") {
    afterG = Date.now();
  } else if (event.key === "/") {
    const field = document.querySelector("main input:not([type=hidden]), main select");
    if (field !== null) { event.preventDefault(); field.focus(); }
  } else if (event.key === "?") {
    const keys = document.getElementById("keys");
    keys.hidden = !keys.hidden;
  }
});

dress();
setInterval(showTimes, 5000);
open();
