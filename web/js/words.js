// How states, ages and times are written.

export const STATES = ['error', 'warning', 'active', 'inactive'];
export const RANK = { error: 0, warning: 1, active: 2, inactive: 3 };
export const SHAPE = { error: '■', warning: '▲', active: '●', inactive: '○' };

const UNITS = [
  [86400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
];

// 12 s, 3 min, 5 h, 2 d: one unit, rounded down, never longer than six letters.
export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  for (const [size, name] of UNITS)
    if (seconds >= size || size === 1) return `${Math.floor(seconds / size)} ${name}`;
}

// When we last heard: a beat of this moment is "now".
export function heard(ms) {
  return ms < 2000 ? 'now' : age(ms);
}

// 90 s → 1 min 30 s: two units, for sentences.
export function span(seconds) {
  if (seconds === null || seconds === undefined) return 'never';
  if (seconds < 60) return `${Math.round(seconds * 10) / 10} s`;
  let rest = Math.round(seconds);
  const said = [];
  for (const [size, name] of UNITS) {
    if (said.length === 2 || (said.length && rest < size)) continue;
    if (rest >= size) said.push(`${Math.floor(rest / size)} ${name}`);
    rest %= size;
  }
  return said.join(' ');
}

const two = (n) => String(n).padStart(2, '0');

// 03:14:26; of another day: 23 Nov 03:14.
export function clock(ms, today = Date.now()) {
  const t = new Date(ms),
    now = new Date(today);
  const time = `${two(t.getHours())}:${two(t.getMinutes())}`;
  if (t.toDateString() === now.toDateString()) return `${time}:${two(t.getSeconds())}`;
  return `${t.getDate()} ${t.toLocaleString('en', { month: 'short' })} ${time}`;
}

export const number = (n) => n.toLocaleString('en').replaceAll(',', '\u202f');

export function count(n, state) {
  return `${number(n)} ${n !== 1 && (state === 'error' || state === 'warning') ? `${state}s` : state}`;
}

export const processes = (n) => (n === 1 ? '1 process' : `${number(n)} processes`);

// For a shell: as it is when harmless, else in quotes.
export function shell(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
