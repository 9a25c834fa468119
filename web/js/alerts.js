// What reaches someone who does not look: the title, the icon, the line for screen
// readers, and notifications when they were asked for.

import { $, attr, say } from './dom.js';
import { SHAPE, count, processes } from './words.js';
import { status } from './socket.js';
import { store } from './store.js';
import { remembered, remember } from './settings.js';

const ICON = {
  error: ['#d0344f', '<rect x="3" y="3" width="10" height="10"/>'],
  warning: ['#d08700', '<path d="M8 2l6.5 12h-13z"/>'],
  active: ['#1f9254', '<circle cx="8" cy="8" r="5.5"/>'],
  unknown: [
    '#7d8590',
    '<circle cx="8" cy="8" r="5" fill="none" stroke="#7d8590" stroke-width="2" stroke-dasharray="2.6 2.6"/>',
  ],
};

let titled = 0;

// Once a second at most: a tab's icon is dear.
export function drawTitle(counts) {
  if (performance.now() - titled < 900) return;
  titled = performance.now();
  const lost = status().kind !== 'live' || ['gone', 'stuck'].includes(store.master.master);
  const worst = counts.error ? 'error' : counts.warning ? 'warning' : 'active';
  const mark = lost ? '◌ ' : worst === 'active' ? '' : `${SHAPE[worst]} ${counts[worst]} · `;
  const title = `${mark}disco`;
  if (document.title !== title) document.title = title;
  const [fill, drawing] = ICON[lost ? 'unknown' : worst];
  attr(
    $('icon'),
    'href',
    `data:image/svg+xml,${encodeURIComponent(
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="${fill}">${drawing}</svg>`,
    )}`,
  );
}

let gathered = [],
  timer = 0;

// Changes of state are gathered for two seconds, then told at once.
export function note(turned) {
  for (const turn of turned) if (turn.from || turn.to === 'error') gathered.push(turn);
  if (gathered.length && !timer) timer = setTimeout(tell, 2000);
}

function tell() {
  // Only what became of each in the end.
  const last = new Map();
  for (const turn of gathered) last.set(turn.entry, turn.to);
  gathered = [];
  timer = 0;
  const told = [...last].filter(([entry, state]) => !entry.gone && entry.state === state);
  if (!told.length) return;
  say($('polite'), summary(told.map(([entry]) => entry)));
  const bad = told.map(([entry]) => entry).filter((entry) => entry.state === 'error');
  if (bad.length && remembered.notify && !document.hasFocus()) notify(bad);
}

function summary(entries) {
  if (entries.length <= 3)
    return entries.map((e) => `${e.name}: ${e.state}${e.row.reason ? `, ${e.row.reason}` : ''}`).join('. ');
  const by = {};
  for (const { state } of entries) by[state] = (by[state] ?? 0) + 1;
  return `${processes(entries.length)} changed: ${Object.entries(by)
    .map(([s, n]) => count(n, s))
    .join(', ')}`;
}

// One for many: named after what they have in common.
function notify(entries) {
  const [first] = entries;
  const same = (key) => first.row[key] && entries.every((e) => e.row[key] === first.row[key]);
  const common = same('host')
    ? ` of host ${first.row.host}`
    : same('service')
      ? ` of service ${first.row.service}`
      : '';
  const title =
    entries.length === 1 ? `${first.name}: error` : `${processes(entries.length)}${common}: error`;
  const body =
    entries.length === 1
      ? (first.row.reason ?? '')
      : entries
          .slice(0, 5)
          .map((e) => e.name)
          .join(', ');
  try {
    const shown = new Notification(title, { body, tag: 'disco' });
    shown.onclick = () => window.focus();
  } catch {
    // Some browsers notify from a service worker only.
  }
}

export const canNotify = () => 'Notification' in window && isSecureContext;

// Called from a click, as browsers want it.
export async function askToNotify(on) {
  const allowed = on && (await Notification.requestPermission()) === 'granted';
  remember({ notify: allowed });
  return allowed;
}
