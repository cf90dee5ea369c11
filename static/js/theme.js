// Light, dark or the system's choice. Kept in a cookie so that the server writes data-theme itself: nothing flashes.

const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");

function shown() {
  return root.dataset.theme || (dark.matches ? "dark" : "light");
}

function choose(theme) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  if (theme === "system") {
    delete root.dataset.theme;
    document.cookie = `theme=; path=/; max-age=0; samesite=lax${secure}`;
  } else {
    root.dataset.theme = theme;
    document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax${secure}`;
  }
  label();
}

function label() {
  const chosen = root.dataset.theme || "system";
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === chosen));
  }
  for (const button of document.querySelectorAll("[data-theme-flip]")) {
    button.setAttribute("aria-label", shown() === "dark" ? "Switch to the light theme" : "Switch to the dark theme");
  }
}

export function start() {
  document.addEventListener("click", (event) => {
    const choice = event.target.closest("[data-theme-choice]");
    if (choice) choose(choice.dataset.themeChoice);
    if (event.target.closest("[data-theme-flip]")) choose(shown() === "dark" ? "light" : "dark");
  });
  dark.addEventListener("change", label);
  label();
}
