// Single keys, never while typing: data-key presses, g + letter goes, ? explains. They can be turned off in the help.

import { currentItem, move, tick } from "./lists.js";

const OFF = "leadpilot-keys-off";
let goingSince = 0;

function isTyping(element) {
  if (!element) return false;
  if (element.isContentEditable || element.matches("textarea, select")) return true;
  return element.matches("input") && !["checkbox", "radio", "button", "submit"].includes(element.type);
}

function visible(element) {
  return (!element.checkVisibility || element.checkVisibility()) && !element.disabled;
}

function press(key, root) {
  const all = [...root.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].filter(visible);
  const row = currentItem();
  const target = all.find((element) => row?.contains(element)) || all[0];
  if (!target) return false;
  target.focus();
  if (!isTyping(target)) target.click();
  return true;
}

function goTo(key) {
  const link = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
  if (link) link.click();
  return Boolean(link);
}

function search() {
  const field = [...document.querySelectorAll("[data-search]")].find(visible);
  field?.focus();
  field?.select();
  return Boolean(field);
}

function act(key, root) {
  if (goingSince && Date.now() - goingSince < 1200) {
    goingSince = 0;
    if (goTo(key)) return true;
  }
  if (key === "?") return openHelp();
  if (press(key, root)) return true;
  if (root !== document) return false;
  if (key === "g") {
    goingSince = Date.now();
    return true;
  }
  if (key === "j") return move(1);
  if (key === "k") return move(-1);
  if (key === "x") return tick();
  if (key === "/") return search();
  return false;
}

function onKey(event) {
  const field = document.activeElement;
  if (event.key === "Enter" && (event.metaKey || event.ctrlKey) && field?.matches("textarea") && field.form) {
    field.form.requestSubmit(field.form.querySelector(".btn-primary[type=submit], .btn-primary:not([type])"));
    return;
  }
  if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey || event.isComposing) return;
  if (isTyping(field)) {
    if (event.key === "Escape" && !field.closest("dialog")) field.blur();
    return;
  }
  if (event.key.length !== 1 || event.key === " ") return;
  if (localStorage.getItem(OFF) && event.key !== "?") return;
  const root = document.querySelector("dialog[open]") || document;
  if (act(event.key.toLowerCase(), root)) event.preventDefault();
}

function line(keys, text) {
  const dt = document.createElement("dt");
  for (const key of keys) {
    const kbd = document.createElement("kbd");
    kbd.textContent = key.toUpperCase();
    dt.append(kbd);
  }
  const dd = document.createElement("dd");
  dd.textContent = text;
  return [dt, dd];
}

function pageKeys() {
  const lines = new Map();
  for (const element of document.querySelectorAll("[data-key]")) {
    if (!visible(element) || lines.has(element.dataset.key)) continue;
    const text = element.dataset.keyLabel || element.getAttribute("aria-label") || textWithoutKeys(element);
    lines.set(element.dataset.key, line([element.dataset.key], text));
  }
  return [...lines.values()];
}

function textWithoutKeys(element) {
  const copy = element.cloneNode(true);
  for (const kbd of copy.querySelectorAll("kbd")) kbd.remove();
  return copy.textContent.trim();
}

function openHelp() {
  const dialog = document.getElementById("keys-help");
  const lines = pageKeys();
  if (document.querySelector("[data-list]")) {
    lines.push(line(["j"], "Next in the list"), line(["k"], "Previous in the list"));
    if (document.querySelector("[data-select]")) lines.push(line(["x"], "Tick the row"));
  }
  if (document.querySelector("[data-search]")) lines.push(line(["/"], "Search"));
  const seen = new Set();
  for (const link of document.querySelectorAll("[data-go]")) {
    if (seen.has(link.dataset.go)) continue;
    seen.add(link.dataset.go);
    lines.push(line(["g", link.dataset.go], `Go to ${link.dataset.goLabel}`));
  }
  lines.push(line(["?"], "This list"));
  dialog.querySelector("[data-keys]").replaceChildren(...lines.flat());
  dialog.querySelector("[data-keys-on]").checked = !localStorage.getItem(OFF);
  if (!dialog.open) dialog.showModal();
  return true;
}

export function start() {
  document.addEventListener("keydown", onKey);
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-keys-on]")) return;
    if (event.target.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "1");
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys-open]")) openHelp();
  });
}
