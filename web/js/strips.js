// The strip: ten minutes in sixty cells. A cell's height is its beats, its colour the
// state; silence is a gap, and what the server did not see is drawn as unknown.

import { s } from './dom.js';
import { store } from './store.js';
import { send } from './socket.js';

const CELLS = 60,
  HEIGHT = 16,
  MOST = 500;
const NAMES = { a: 'active', w: 'warning', e: 'error', i: 'inactive' };

// Asks for those on screen that have none, or one older than ten seconds.
export function ask(entries) {
  const old = performance.now() - 9500;
  const names = [];
  for (const entry of entries) {
    if (names.length === MOST) break;
    if ((entry.strip?.at ?? 0) > old && entry.strip) continue;
    if (entry.stripAsked > performance.now() - 3000) continue;
    entry.stripAsked = performance.now();
    names.push(entry.name);
  }
  if (names.length) send({ strips: names });
}

// The answer; returns the entries that have a new one.
export function receive(message) {
  const got = [];
  for (const [name, strip] of Object.entries(message.strips)) {
    const entry = store.entries.get(name);
    if (!entry) continue;
    entry.strip = { ...strip, cell: message.cell, at: performance.now() };
    got.push(entry);
  }
  return got;
}

export function stripNode(entry, large) {
  const { strip } = entry;
  const svg = s('svg', {
    class: large ? 'strip large' : 'strip',
    viewBox: `0 0 ${CELLS * 3} ${HEIGHT}`,
    preserveAspectRatio: 'none',
    role: 'img',
  });
  if (!strip) {
    svg.setAttribute('aria-label', 'not known yet');
    return wrap(svg);
  }
  const paths = draw(strip);
  for (const [name, d] of Object.entries(paths)) svg.append(s('path', { class: name, d }));
  const said = describe(strip);
  svg.setAttribute('aria-label', said);
  svg.prepend(s('title', {}, said));
  return wrap(svg);
}

// SlickGrid takes HTML elements only.
function wrap(svg) {
  const span = document.createElement('span');
  span.className = 'strip-box';
  span.append(svg);
  return span;
}

// The usual number of beats a cell is the full height; the last cell is unfinished.
function draw({ beats, states }) {
  const seen = beats.filter((n) => n > 0).sort((a, b) => a - b);
  const usual = seen[Math.floor(seen.length * 0.75)] ?? 1;
  const paths = {};
  const first = CELLS - beats.length;
  for (let i = 0; i < beats.length; i++) {
    const x = (first + i) * 3;
    if (beats[i] === null || states[i] === '-') {
      add(paths, 'unknown', `M${x} ${HEIGHT - 1}h2v1h-2z`);
      continue;
    }
    const name = NAMES[states[i]] ?? 'unknown';
    const height = beats[i] ? Math.max(4, Math.round(Math.min(1, beats[i] / usual) * HEIGHT)) : 0;
    if (height) add(paths, name, `M${x} ${HEIGHT}v${-height}h2v${height}z`);
    else if (name !== 'active') add(paths, `${name} gap`, `M${x} ${HEIGHT}v-3h2v3z`);
  }
  return paths;
}

function add(paths, name, d) {
  paths[name] = (paths[name] ?? '') + d;
}

const words = (cells, cell) =>
  cells * cell < 60 ? `${cells * cell} s` : `${Math.round((cells * cell) / 6) / 10} min`;

function describe({ beats, states, cell }) {
  const total = beats.reduce((sum, n) => sum + (n ?? 0), 0);
  const cells = {};
  for (let i = 0; i < states.length; i++) {
    const name = beats[i] === null ? 'not seen' : (NAMES[states[i]] ?? 'not seen');
    cells[name] = (cells[name] ?? 0) + 1;
  }
  const parts = Object.entries(cells).map(([name, n]) => `${name} ${words(n, cell)}`);
  return `last 10 minutes: ${total} beats; ${parts.join(', ')}`;
}
