// The time line: what changed, newest first, each line a sentence. While the pointer
// is on it, it stands still and says how many more there are.

import { $, h, say } from './dom.js';
import { store } from './store.js';
import { params } from './url.js';
import { eventPredicate } from './filter.js';
import { shape } from './columns.js';
import { clock, number } from './words.js';

const MOST = 300;
const list = $('event-list'),
  more = $('more-events');
let held = false,
  missed = [],
  opens = () => {};

export function make(open) {
  opens = open;
  list.addEventListener('pointerenter', () => {
    held = true;
  });
  list.addEventListener('pointerleave', release);
  more.addEventListener('click', release);
}

// Everything anew: other filters, or the view was just opened.
export function renew() {
  missed = [];
  const passes = eventPredicate();
  const shown = [];
  for (let i = store.events.length - 1; i >= 0 && shown.length < MOST; i--)
    if (passes(store.events[i])) shown.push(eventLine(store.events[i], opens));
  list.replaceChildren(...shown);
  finish();
}

export function add(events) {
  if (params.view !== 'events') return;
  const passes = eventPredicate();
  missed.push(...events.filter(passes));
  if (missed.length > MOST) missed = missed.slice(-MOST);
  if (!held) flush();
  finish();
}

function release() {
  held = false;
  flush();
  finish();
}

function flush() {
  list.prepend(...missed.reverse().map((event) => eventLine(event, opens)));
  missed = [];
  while (list.children.length > MOST) list.lastElementChild.remove();
}

function finish() {
  more.hidden = missed.length === 0;
  say(more, `${number(missed.length)} more`);
  $('no-events').hidden = list.children.length > 0;
  say(
    $('no-events'),
    store.events.length
      ? 'None of the last events matches.'
      : 'Nothing has changed yet. What changes appears here.',
  );
}

// 03:14:26  fx_hdb  active → error  killed by SIGKILL
export function eventLine(event, open) {
  const time = h('time', { datetime: event.time }, clock(Date.parse(event.time)));
  if (!event.process || event.process === '*')
    return h(
      'li',
      null,
      time,
      h('span', { class: 'who' }, 'the master'),
      h('span', { class: 'what' }, event.event),
      h('span', { class: 'why' }, event.reason),
    );
  const who = open
    ? h('button', { type: 'button', class: 'who link', onclick: () => open(event.process) }, event.process)
    : null;
  return h(
    'li',
    { class: open ? null : 'own' },
    time,
    who,
    h('span', { class: 'what' }, ...what(event)),
    h('span', { class: 'why', title: event.reason }, event.reason),
  );
}

function what({ event, from, state }) {
  const word = (s) => h('span', { class: `word ${s}` }, shape(s), ` ${s}`);
  if (event === 'joined') return ['joined as ', word(state)];
  if (event === 'forgotten') return ['forgotten'];
  if (from && from !== state) return [`${from} → `, word(state)];
  return [`${event}, `, word(state)];
}
