// Lists: j and k move, x ticks; ticked rows show the bulk bar.

const LINK = ".row-link, .row, a[href], button";

function visible(element) {
  return element.checkVisibility ? element.checkVisibility() : element.offsetParent !== null;
}

function currentList() {
  const lists = [...document.querySelectorAll("[data-list]")].filter(visible);
  return lists.find((list) => list.contains(document.activeElement)) || lists[0];
}

/** The row that holds the focus, else the one shown as current. */
export function currentItem() {
  const focused = document.activeElement?.closest?.("[data-item]");
  return focused || document.querySelector("[data-item].is-current, [data-item]:has(> [aria-current])");
}

/** Focus the row `by` places further; true when there was a list. */
export function move(by) {
  const list = currentList();
  if (!list) return false;
  const items = [...list.querySelectorAll("[data-item]")].filter(visible);
  if (!items.length) return false;
  const at = items.indexOf(currentItem());
  const next = items[at < 0 ? 0 : Math.min(items.length - 1, Math.max(0, at + by))];
  const link = next.querySelector(LINK) || next;
  if (link === next) next.tabIndex = -1;
  link.focus();
  next.scrollIntoView({ block: "nearest" });
  if (list.dataset.list === "follow") link.click();
  return true;
}

/** Tick or untick the current row; true when there was something to tick. */
export function tick() {
  const box = currentItem()?.querySelector("[data-select]");
  if (!box) return false;
  box.click();
  return true;
}

function updateBulk(scope) {
  const boxes = [...scope.querySelectorAll("[data-select]")];
  const ticked = boxes.filter((box) => box.checked).length;
  for (const bar of scope.querySelectorAll("[data-bulk]")) {
    bar.hidden = ticked === 0;
    for (const count of bar.querySelectorAll("[data-bulk-count]")) count.textContent = String(ticked);
  }
  for (const all of scope.querySelectorAll("[data-select-all]")) {
    all.checked = ticked > 0 && ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
  }
}

function scopeOf(element) {
  return element.closest("form") || document;
}

/** A list that the server sends anew keeps its place, and the focus goes to its current row. */
let place = null;

function keepPlace(event) {
  const list = document.querySelector(".split-list");
  if (!event.detail.shouldSwap || !list || !event.detail.target?.contains?.(list)) return;
  place = { top: list.scrollTop, focused: list.contains(document.activeElement) };
}

function restorePlace() {
  const list = place && document.querySelector(".split-list");
  if (!list) return;
  list.scrollTop = place.top;
  const current = list.querySelector(".row.is-current");
  current?.scrollIntoView({ block: "nearest" });
  if (place.focused) current?.focus({ preventScroll: true });
  place = null;
}

let lastTicked = null;

function onClick(event) {
  const box = event.target.closest("[data-select]");
  if (!box) return;
  if (event.shiftKey && lastTicked?.isConnected) {
    const boxes = [...scopeOf(box).querySelectorAll("[data-select]")];
    const [from, to] = [boxes.indexOf(lastTicked), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
    updateBulk(scopeOf(box));
  }
  lastTicked = box;
}

function onChange(event) {
  if (event.target.matches("[data-select-all]")) {
    const scope = scopeOf(event.target);
    for (const box of scope.querySelectorAll("[data-select]")) box.checked = event.target.checked;
    updateBulk(scope);
  } else if (event.target.matches("[data-select]")) {
    updateBulk(scopeOf(event.target));
  }
}

export function start() {
  document.addEventListener("click", onClick);
  document.addEventListener("change", onChange);
  document.body.addEventListener("htmx:beforeSwap", keepPlace);
  document.body.addEventListener("htmx:afterSettle", restorePlace);
  const refresh = () => {
    for (const bar of document.querySelectorAll("[data-bulk]")) updateBulk(scopeOf(bar));
  };
  document.body.addEventListener("htmx:afterSettle", refresh);
  window.addEventListener("pageshow", refresh); // ticks that the browser restored
}
