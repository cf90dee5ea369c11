// A sentence and the evidence it rests on light up together.

function light(event, on) {
  const ref = event.target.closest?.("a.ref[href^='#evidence-'], .evidence[id]");
  if (!ref) return;
  const id = ref.matches(".evidence") ? ref.id : ref.getAttribute("href").slice(1);
  document.getElementById(id)?.classList.toggle("is-lit", on);
  for (const link of document.querySelectorAll(`a.ref[href="#${CSS.escape(id)}"]`)) {
    link.classList.toggle("is-lit", on);
    link.closest(".sent-supported")?.classList.toggle("is-lit", on);
  }
}

export function start() {
  for (const type of ["pointerover", "focusin"]) document.addEventListener(type, (event) => light(event, true));
  for (const type of ["pointerout", "focusout"]) document.addEventListener(type, (event) => light(event, false));
}
