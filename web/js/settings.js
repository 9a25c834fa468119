// What this browser remembers: theme, density, columns, notifications.

const KEY = 'disco';
let kept = {};
try {
  kept = JSON.parse(localStorage.getItem(KEY)) ?? {};
} catch {
  // Nothing is remembered where storage is forbidden.
}

export const remembered = {
  theme: ['light', 'dark'].includes(kept.theme) ? kept.theme : 'auto',
  dense: kept.dense === true,
  columns: Array.isArray(kept.columns) ? kept.columns.map(String) : null,
  notify: kept.notify === true,
};

export function remember(what) {
  Object.assign(remembered, what);
  try {
    localStorage.setItem(KEY, JSON.stringify(remembered));
  } catch {
    // As above.
  }
}

// The page starts in the system's theme; a choice is kept.
export function applyTheme() {
  document.documentElement.dataset.theme = remembered.theme;
}

// What the system prefers is no choice to be remembered.
export function toggleTheme() {
  const system = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  const now = remembered.theme === 'auto' ? system : remembered.theme;
  const other = now === 'dark' ? 'light' : 'dark';
  remember({ theme: other === system ? 'auto' : other });
  applyTheme();
}

// A custom property as a colour that canvas understands, whatever the theme.
export function colour(name) {
  const probe = document.getElementById('probe');
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}
