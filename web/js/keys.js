// Hands: every key in one table, which is also what the help shows.

import { $, h } from './dom.js';

// bind([[keys, words, action], …]): the keys are shown as they are written.
export function bind(table) {
  const actions = new Map();
  for (const [keys, words, action] of table) {
    for (const key of keys.split(' ')) actions.set(key, action);
    $('keys').append(
      h(
        'div',
        null,
        h('dt', null, ...keys.split(' ').map((k) => h('kbd', null, NAMES[k] ?? k))),
        h('dd', null, words),
      ),
    );
  }
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const typing = event.target.matches?.('input:not([type=checkbox]), textarea, select');
    if (typing && event.key !== 'Escape') return;
    if (event.key === 'Enter' && event.target.closest?.('button, a, summary, [type=checkbox]')) return;
    if (document.querySelector('dialog[open]')) return;
    const action = actions.get(event.key);
    if (action && action(event) !== false) event.preventDefault();
  });
}

const NAMES = { ArrowDown: '↓', ArrowUp: '↑', Escape: 'Esc' };
