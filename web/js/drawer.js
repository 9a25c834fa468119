// The drawer: all that is known of one process, at its own address.

import { $, h, say, copy } from './dom.js';
import { store } from './store.js';
import { params, change } from './url.js';
import { now } from './clock.js';
import { shape } from './columns.js';
import { age, clock, shell, span } from './words.js';
import { eventLine } from './events.js';
import * as strips from './strips.js';
import { next, why } from './next.js';
import * as intervals from './intervals.js';
import * as grid from './grid.js';

const box = $('drawer'),
  body = $('drawer-body');
let entry = null,
  name = '',
  events = [],
  asked = 0,
  asking = '', // whose events were asked for
  sight = '';

const FIELDS = [
  ['service'],
  ['address'],
  ['host'],
  ['ip'],
  ['pid'],
  ['user'],
  ['version'],
  ['via'],
  ['held'],
  ['handle'],
  ['every', span],
  ['warnAfter', span, 'warning after'],
  ['errorAfter', span, 'error after'],
  ['forgetAfter', span, 'forgotten after'],
  ['start'],
  ['boot'],
  ['id'],
  ['seq'],
];

export const open = (process) => change({ process });
export const close = () => change({ process: '' });

export function make() {
  $('drawer-close').addEventListener('click', close);
  box.addEventListener('copy', (event) => event.stopPropagation());
}

// The address says another process, or none.
export function renew(focus) {
  const had = !box.hidden;
  if (entry) entry.watched = false;
  name = params.process;
  entry = null;
  events = [];
  sight = '';
  asking = '';
  box.hidden = !name;
  document.body.classList.toggle('with-drawer', Boolean(name));
  grid.showOpened();
  if (!name) {
    if (had) grid.focus();
    return;
  }
  fetchEvents();
  draw();
  if (focus) $('drawer-name').focus({ preventScroll: true });
}

async function fetchEvents() {
  const mine = ++asked;
  // One that is not known has none, and the browser would complain of the answer.
  if (!store.entries.has(name)) return;
  asking = name;
  try {
    const answer = await fetch(`v1/process/${encodeURIComponent(name)}`, { cache: 'no-store' });
    const found = answer.ok ? await answer.json() : {};
    if (mine !== asked) return;
    const latest = new Set(events.map((e) => e.seq));
    events = (found.events ?? []).filter((e) => !latest.has(e.seq)).concat(events);
  } catch {
    // The page says already that the server does not answer.
  }
  if (mine === asked) drawEvents();
}

export function update(batch) {
  if (!name) return;
  const own = batch.events.filter((e) => e.process === name);
  if (own.length) {
    events = events.concat(own).slice(-100);
    drawEvents();
  }
  draw();
}

// Once a second and whenever something changed.
export function draw() {
  if (!name) return;
  const found = store.entries.get(name) ?? null;
  if (found !== entry) {
    if (entry) entry.watched = false;
    entry = found;
    if (entry) entry.watched = true;
  }
  say($('drawer-name'), name);
  if (!entry) return drawMissing();
  if (asking !== name) fetchEvents();
  drawStrip();
  if (sight === `${entry.version}`) {
    drawState();
    return intervals.draw(entry);
  }
  sight = `${entry.version}`;
  body.replaceChildren(...sections());
  drawState();
  drawEvents();
  intervals.make($('intervals'), entry);
}

// The strip is asked for like those on screen, and drawn when a newer one is there.
let drawnStrip = null;
function drawStrip() {
  strips.ask([entry]);
  if (drawnStrip === entry.strip || !$('drawer-strip')) return;
  drawnStrip = entry.strip;
  $('drawer-strip').replaceChildren(strips.stripNode(entry, true));
}

function drawMissing() {
  const words = store.filled
    ? params.service.length
      ? 'It is not among the services shown, or not known.'
      : 'No such process is known: it was forgotten, or never came.'
    : 'Asking the server…';
  $('drawer-state').replaceChildren();
  if (sight === words) return;
  sight = words;
  body.replaceChildren(
    h('p', { class: 'quiet' }, words),
    h('section', null, h('h3', null, 'Events'), h('ol', { id: 'drawer-events', class: 'event-list' })),
  );
  drawEvents();
}

function drawState() {
  const node = $('drawer-state');
  const words = ` since ${clock(entry.sinceAt)}, ${age(now() - entry.sinceAt)}`;
  if (node.dataset.state !== entry.state || !node.firstChild) {
    node.dataset.state = entry.state;
    node.replaceChildren(
      h('span', { class: `word ${entry.state}` }, shape(entry.state), ` ${entry.state}`),
      h('span', { class: 'quiet' }),
    );
  }
  say(node.lastElementChild, words);
  const beat = $('last-beat');
  if (beat) say(beat, `beat ${entry.counter} at ${clock(entry.beatAt)}, ${age(now() - entry.beatAt)} ago`);
  const said = $('what-next');
  if (said) say(said, next(entry, store.master).join(' '));
}

function sections() {
  const { row } = entry;
  const meta = Object.entries(row.meta ?? {});
  return [
    h(
      'section',
      { class: 'lead' },
      h('p', { class: 'why' }, why(entry)),
      h('p', { id: 'last-beat', class: 'quiet' }),
      h('div', { id: 'drawer-strip' }, strips.stripNode(entry, true)),
    ),
    h(
      'section',
      null,
      h('h3', null, 'What happens next'),
      h('p', { id: 'what-next' }, next(entry, store.master).join(' ')),
    ),
    h(
      'section',
      null,
      h('h3', null, 'Intervals between beats'),
      h('div', { id: 'intervals' }),
      h('p', { id: 'intervals-said', class: 'quiet' }),
    ),
    h('section', null, h('h3', null, 'Events'), h('ol', { id: 'drawer-events', class: 'event-list' })),
    h(
      'section',
      null,
      h('h3', null, 'Fields'),
      h(
        'dl',
        { class: 'fields' },
        ...FIELDS.flatMap(([key, print = String, label = key]) => field(label, row[key], print)),
      ),
    ),
    meta.length > 0 &&
      h(
        'section',
        null,
        h('h3', null, 'Meta'),
        h('dl', { class: 'fields' }, ...meta.flatMap(([key, value]) => field(key, value, String))),
      ),
    h(
      'section',
      null,
      h('h3', null, 'The same in a shell'),
      ...commands().map((text) =>
        h(
          'div',
          { class: 'command' },
          h('code', null, text),
          h(
            'button',
            {
              type: 'button',
              class: 'link',
              'aria-label': `copy ${text}`,
              onclick: (event) => copy(text, event.currentTarget),
            },
            'copy',
          ),
        ),
      ),
    ),
  ].filter(Boolean);
}

function field(label, value, print) {
  if (value === null || value === undefined || value === '') return [];
  const text = print(value);
  const shown =
    label === 'address'
      ? h(
          'button',
          {
            type: 'button',
            class: 'link',
            title: 'copy',
            onclick: (event) => copy(text, event.currentTarget),
          },
          text,
        )
      : text;
  return [h('dt', null, label), h('dd', null, shown)];
}

const commands = () => [
  `disco-ls -u ${shell(location.origin)} --why ${shell(name)}`,
  `disco-watch -u ${shell(location.origin)} ${shell(name)}`,
  `curl ${shell(`${location.origin}/v1/process/${encodeURIComponent(name)}`)}`,
];

function drawEvents() {
  const list = $('drawer-events');
  if (!list) return;
  const lines = events
    .slice(-50)
    .reverse()
    .map((event) => eventLine(event, null));
  list.replaceChildren(
    ...(lines.length ? lines : [h('li', { class: 'quiet' }, h('p', null, 'none is kept'))]),
  );
}
