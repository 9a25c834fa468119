// What stands where rows would: how to send the first heartbeat, which filter hides
// how many, or what went wrong. Never an empty table.

import { $, h, copy } from './dom.js';
import { store } from './store.js';
import { order } from './order.js';
import { params, change } from './url.js';
import { blame } from './filter.js';
import { status, failures } from './socket.js';
import { number, processes } from './words.js';

let shown = '',
  refusal = null,
  probed = 0;

// True when it covers the view.
export function draw() {
  const kind = what();
  const box = $('blank');
  const hides = kind === 'nomatch' ? blame(store.entries, store.total) : [];
  const key = kind + JSON.stringify([hides, refusal]);
  if (key !== shown) {
    shown = key;
    box.replaceChildren(...(VIEWS[kind]?.(hides) ?? []));
    box.hidden = kind === '';
  }
  return kind !== '';
}

function what() {
  if (!store.filled && !store.entries.size) {
    const { kind } = status();
    if (kind === 'silent' || failures() > 1) probe();
    if (refusal) return refusal.status === 401 || refusal.status === 403 ? 'notallowed' : 'refused';
    return kind === 'silent' ? 'noanswer' : 'loading';
  }
  refusal = null;
  if (order.items.length || params.view === 'events') return '';
  return store.entries.size || (params.service.length && store.total) ? 'nomatch' : 'empty';
}

// A WebSocket does not say why it failed; a plain request does.
async function probe() {
  if (Date.now() - probed < 5000) return;
  probed = Date.now();
  try {
    const answer = await fetch('v1/process/-', { cache: 'no-store' });
    const body = await answer.json().catch(() => ({}));
    refusal =
      answer.ok || answer.status === 404
        ? null
        : { status: answer.status, words: body.error ?? answer.statusText };
  } catch {
    refusal = null;
  }
}

const command = (text) =>
  h(
    'div',
    { class: 'command' },
    h('code', null, text),
    h(
      'button',
      { type: 'button', class: 'link', onclick: (event) => copy(text, event.currentTarget) },
      'copy',
    ),
  );

const VIEWS = {
  loading: () => [h('p', { class: 'quiet' }, 'asking the server…')],
  empty: () => [
    h('h2', null, 'No process has sent a heartbeat yet'),
    h('p', null, 'A heartbeat says: I am here, and this is my address. Send the first one, from anywhere:'),
    command(`curl -d process=hello -d address=localhost:8080 ${location.origin}/v1/heartbeat`),
    h('p', null, 'or, on this server’s own machine:'),
    command('disco-hb -a localhost:8080 hello'),
    h('p', { class: 'quiet' }, 'Its row appears here by itself.'),
  ],
  nomatch: (hides) => [
    h('h2', null, 'Nothing matches'),
    h(
      'ul',
      null,
      ...hides.map(({ words, hides: n, without }) =>
        h(
          'li',
          null,
          h('span', null, `${words} hides ${n === 0 ? 'none' : number(n)}`),
          h('button', { type: 'button', class: 'link', onclick: () => change(without) }, 'take it away'),
        ),
      ),
    ),
    h('p', { class: 'quiet' }, `${processes(store.total)} in all.`),
  ],
  noanswer: () => [
    h('h2', null, 'The server does not answer'),
    h(
      'p',
      null,
      `No connection to ${location.host}. It is tried again, longer and longer apart, and at once when you come back to this page.`,
    ),
  ],
  refused: () => [
    h('h2', null, 'The server answers with an error'),
    h('p', null, `${refusal.status}: ${refusal.words}`),
  ],
  notallowed: () => [
    h('h2', null, 'This server asks for a token'),
    h('p', null, 'Sign in with any name, and your token as the password.'),
    h('button', { type: 'button', class: 'plain', onclick: () => location.reload() }, 'sign in'),
  ],
};
