/** Which of the two themes: what the person has chosen here, or what their system says. */
export type Theme = "system" | "light" | "dark";

const key = "drover.theme";

export function theme(): Theme {
  const kept = localStorage.getItem(key);
  return kept === "light" || kept === "dark" ? kept : "system";
}

export function chooseTheme(chosen: Theme): void {
  if (chosen === "system") localStorage.removeItem(key);
  else localStorage.setItem(key, chosen);
  show(chosen);
}

function show(chosen: Theme): void {
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}

show(theme());
