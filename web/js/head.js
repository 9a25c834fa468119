// The top of the page: whether it is live, how many are in which state, and the one
// line that says what is shown and what is wrong with it.

import { $, h, attr, say } from './dom.js';
import { store } from './store.js';
import { order } from './order.js';
import { params, change } from './url.js';
import { status } from './socket.js';
import { now } from './clock.js';
import { shape } from './columns.js';
import { STATES, age, clock, number, processes } from './words.js';

const chips = new Map();
let told = '';

export function make() {
  for (const [i, state] of STATES.entries()) {
    const figure = h('b', null, '0'),
      word = h('span', null, state);
    const button = h(
      'button',
      {
        type: 'button',
        class: `chip ${state}`,
        'aria-pressed': 'false',
        title: `only these (${i + 1})`,
        onclick: () => toggle(state),
      },
      shape(state),
      figure,
      ' ',
      word,
    );
    chips.set(state, { button, figure, word });
    $('chips').append(button);
  }
}

// A chip shows its state alone; with another one pressed it is added to it.
export function toggle(state) {
  const on = params.state.includes(state);
  change({
    state: on
      ? params.state.filter((s) => s !== state)
      : STATES.filter((s) => s === state || params.state.includes(s)),
  });
}

// Counts of what is looked at: the server's own, unless only some services are asked for.
export function counts() {
  if (!params.service.length) return store.counts;
  const found = { error: 0, warning: 0, active: 0, inactive: 0 };
  for (const entry of store.entries.values()) found[entry.state]++;
  return found;
}

export function drawCounts(found = counts()) {
  for (const [state, { button, figure, word }] of chips) {
    const n = found[state] ?? 0;
    say(figure, store.hello ? number(n) : '–');
    say(word, n !== 1 && (state === 'error' || state === 'warning') ? `${state}s` : state);
    button.classList.toggle('none', n === 0);
    attr(button, 'aria-pressed', params.state.includes(state));
  }
}

export function drawStatus() {
  const { kind, since, retry } = status();
  const wait = Math.max(0, Math.ceil((retry - Date.now()) / 1000));
  const words = {
    connecting: 'connecting',
    live: 'live',
    reconnecting: retry ? `reconnecting, ${wait} s` : 'reconnecting',
    silent: `no answer since ${clock(since)}`,
  }[kind];
  const mark = { connecting: '◌', live: '●', reconnecting: '◌', silent: '■' }[kind];
  const node = $('live');
  attr(node, 'class', `live ${kind === 'live' ? 'well' : kind}`);
  say(node.firstElementChild, mark);
  say(node.lastElementChild, words);
  const host = store.hello?.serve?.replace(/^disco-serve@/, '') ?? location.host;
  say($('where'), host);
}

// {words, kind}: the worst thing there is to say, else what is shown.
export function line() {
  const { kind, heard, since, retry } = status();
  const { master, heard: masterHeard, pausedUntil } = store.master;
  const wait = retry
    ? `; trying again in ${Math.max(0, Math.ceil((retry - Date.now()) / 1000))} s`
    : '; trying again';
  if (kind === 'silent' && !heard) return { kind: 'bad', words: `no live connection yet${wait}` };
  if (kind === 'silent')
    return {
      kind: 'bad',
      words: `shown is what was known at ${clock(since)}, ${age(Date.now() - since)} ago; ages go on${wait}`,
    };
  if (kind === 'reconnecting')
    return { kind: 'odd', words: `the connection ended; shown is what was known at ${clock(since)}` };
  if (master === 'gone')
    return {
      kind: 'bad',
      words: `the master is gone${when(masterHeard)}: states stand as they were then; ages go on`,
    };
  if (master === 'stuck')
    return {
      kind: 'bad',
      words: `the master is stuck${when(masterHeard)}: states stand as they were then; ages go on`,
    };
  if (store.error) return { kind: 'bad', words: `the server refused what was asked: ${store.error}` };
  if (pausedUntil && Date.parse(pausedUntil) > now())
    return {
      kind: 'odd',
      words: `the master judges no silence before ${clock(Date.parse(pausedUntil))}: it began anew, or so many fell silent at once that it doubts itself`,
    };
  return { kind: '', words: shown() };
}

const when = (iso) =>
  iso ? `, last heard ${clock(Date.parse(iso))}, ${age(now() - Date.parse(iso))} ago` : '';

function shown() {
  if (!store.filled) return store.total ? `loading ${processes(store.total)}` : '';
  const of = params.service.length ? store.total : store.entries.size;
  const many = order.shown === of ? processes(of) : `${number(order.shown)} of ${processes(of)}`;
  const words =
    params.view === 'table' && params.sort === 'state' && order.shown > 1 ? `${many}, worst first, newest first` : many;
  return order.waiting && params.view === 'table' ? `${words} · order held while you point` : words;
}

export function drawLine() {
  const { kind, words } = line();
  const node = $('line');
  // Seconds count on; a screen reader is told only when it becomes another matter.
  if (kind !== told) say($('polite'), kind ? words : 'live again');
  told = kind;
  say(node, words);
  attr(node, 'class', `line ${kind}`);
  attr(node, 'title', words.length > 60 ? words : '');
  const old =
    ['reconnecting', 'silent', 'connecting'].includes(status().kind) ||
    ['gone', 'stuck'].includes(store.master.master);
  document.body.classList.toggle('stale', old && store.filled);
}
