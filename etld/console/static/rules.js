// The rule bench: completion in the text of a rule, and a dry run that is looked at again while the page is seen.
"use strict";

(() => {
  const area = document.querySelector("textarea[data-words]");
  const offers = document.getElementById("offers");
  if (!area || !offers || area.readOnly) return;
  let words = null;
  let shown = [];
  let at = 0;

  fetch(area.dataset.words).then((answer) => (answer.ok ? answer.json() : null)).then((found) => { words = found; });

  function typeOf(text) {
    const found = /event_type\s*=\s*"([^"]+)"/.exec(text);
    return found && words.fields[found[1]] ? [found[1]] : Object.keys(words.fields);
  }

  // What may stand where the cursor is: [text, explanation], and how much of it is there already.
  function candidates() {
    const before = area.value.slice(0, area.selectionStart);
    const line = before.slice(before.lastIndexOf("\n") + 1);
    const quoted = /"([\w.*]*)$/.exec(line);
    if (quoted && (line.match(/"/g) || []).length % 2 === 1) {
      const seen = new Map();
      for (const type of typeOf(area.value)) {
        for (const field of words.fields[type]) seen.set(field.path, field.type);
      }
      return [quoted[1], [...seen].map(([path, kind]) => [path, path, kind])];
    }
    const word = /[{,\s]\s*([a-z_]+)$/.exec(" " + line);
    if (!word) return ["", []];
    const steps = words.steps.map((step) => [step.name, step.example.slice(2, -2), step.does]);
    const tests = [...words.match, ...words.tests].map((name) => [name, name + " = ", "match"]);
    return [word[1], /match|where/.test(line) ? tests : steps];
  }

  function close() {
    offers.hidden = true;
    shown = [];
    area.removeAttribute("aria-activedescendant");
  }

  function show() {
    if (!words) return;
    const [begun, all] = candidates();
    shown = begun ? all.filter(([name]) => name.startsWith(begun) && name !== begun).slice(0, 8) : [];
    at = 0;
    offers.replaceChildren(...shown.map(([name, , about], number) => {
      const item = document.createElement("li");
      item.id = "offer-" + number;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", number === at);
      const code = document.createElement("code");
      code.textContent = name;
      item.append(code, " " + about);
      item.addEventListener("mousedown", (event) => { event.preventDefault(); at = number; take(begun); });
      return item;
    }));
    offers.hidden = shown.length === 0;
    if (shown.length) area.setAttribute("aria-activedescendant", "offer-0");
  }

  function move(step) {
    at = (at + step + shown.length) % shown.length;
    [...offers.children].forEach((item, number) => item.setAttribute("aria-selected", number === at));
    area.setAttribute("aria-activedescendant", "offer-" + at);
  }

  function take(begun) {
    const end = area.selectionStart;
    area.setRangeText(shown[at][1], end - begun.length, end, "end");
    close();
    area.focus();
  }

  area.addEventListener("input", show);
  area.addEventListener("blur", close);
  area.addEventListener("keydown", (event) => {
    if (offers.hidden) return;
    if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(-1);
    else if (event.key === "Enter" || event.key === "Tab") take(candidates()[0]);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
  });
})();
