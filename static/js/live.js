// Parts that refresh by themselves ([data-live]) without jumping: the same answer is not swapped, nothing is asked for
// while somebody works inside, and focus, open details and ticks survive a swap.

const last = new WeakMap();

function normal(html) {
  return html.replace(/name="csrfmiddlewaretoken" value="[^"]*"/g, "").replace(/\s+/g, " ");
}

// Something typed and not sent yet, or a form somebody opened ([data-hold]): a refresh would take it away.
function isHeld(part) {
  if (part.querySelector("[data-hold]")) return true;
  return [...part.querySelectorAll("textarea")].some((field) => field.value !== field.defaultValue);
}

function isBusy(part) {
  const active = document.activeElement;
  if (part.contains(active) && active.matches("input:not([type=checkbox]), textarea, select")) return true;
  if (part.querySelector("details.menu[open], dialog[open], .htmx-request")) return true;
  if (isHeld(part)) return true;
  const selection = document.getSelection();
  return Boolean(selection && !selection.isCollapsed && part.contains(selection.anchorNode));
}

function isPoll(event) {
  return event.detail.elt.hasAttribute("data-live") && event.detail.requestConfig?.verb === "get";
}

function onRequest(event) {
  if (isPoll(event) && (document.hidden || isBusy(event.detail.elt))) event.preventDefault();
}

function onSwap(event) {
  const part = event.detail.target;
  if (!part?.hasAttribute?.("data-live") || !event.detail.shouldSwap) return;
  // Asked before somebody acted inside: an answer to their act is on its way, and newer than this one.
  if (isPoll(event) && part.querySelector(".htmx-request")) {
    event.detail.shouldSwap = false;
    return;
  }
  const html = normal(event.detail.serverResponse);
  if (last.get(part) === html) event.detail.shouldSwap = false;
  else {
    last.set(part, html);
    remember(part);
  }
}

let kept = null;

function remember(part) {
  const focus = part.contains(document.activeElement) ? document.activeElement : null;
  kept = {
    part,
    focus: focus && (focus.id ? `#${CSS.escape(focus.id)}` : focus.getAttribute("href") && `[href="${CSS.escape(focus.getAttribute("href"))}"]`),
    open: [...part.querySelectorAll("details[id][open]")].map((details) => details.id),
    ticked: [...part.querySelectorAll("[data-select]:checked")].map((box) => box.value),
    scroll: part.scrollTop,
  };
}

function onSwapped(event) {
  if (!kept || kept.part !== event.detail.target) return;
  const { part, focus, open, ticked, scroll } = kept;
  kept = null;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  for (const box of part.querySelectorAll("[data-select]")) box.checked = ticked.includes(box.value);
  if (focus) part.querySelector(focus)?.focus({ preventScroll: true });
  part.scrollTop = scroll;
}

function onOutOfBand(event) {
  const { target, fragment } = event.detail;
  const holder = document.createElement("div");
  holder.append(fragment.cloneNode(true));
  const incoming = holder.firstElementChild?.id === target.id ? holder.firstElementChild.innerHTML : holder.innerHTML;
  const sameClass = holder.firstElementChild?.id !== target.id || holder.firstElementChild.className === target.className;
  if (sameClass && normal(incoming) === normal(target.innerHTML)) event.detail.shouldSwap = false;
}

export function start() {
  document.body.addEventListener("htmx:beforeRequest", onRequest);
  document.body.addEventListener("htmx:beforeSwap", onSwap);
  document.body.addEventListener("htmx:afterSwap", onSwapped);
  document.body.addEventListener("htmx:oobBeforeSwap", onOutOfBand);
}
