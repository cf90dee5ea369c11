// [data-copy="#field"] copies what stands in that field.

import { toast } from "./toast.js";

async function onClick(event) {
  const button = event.target.closest("[data-copy]");
  const field = button && document.querySelector(button.dataset.copy);
  if (!field) return;
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    toast({ message: "Copied", tone: "success" });
  } catch {
    toast({ message: "It is selected: copy it with Ctrl+C.", tone: "info" });
  }
}

export function start() {
  document.addEventListener("click", onClick);
}
