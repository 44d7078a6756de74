// Before the first paint, so that no wrong theme flashes.
try {
  const theme = localStorage.getItem("tercet.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {}
