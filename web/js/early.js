// Before anything is drawn: the theme that this browser remembers, so that no light page
// flashes up before a dark one.  No module, since those wait until the page was read.

try {
  const { theme } = JSON.parse(localStorage.getItem('disco')) ?? {};
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Nothing is remembered where storage is forbidden.
}
