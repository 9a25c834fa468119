// The controls above the rows: search, views, group, and the options that this
// browser remembers.

import { $, h, attr, say } from './dom.js';
import { params, change } from './url.js';
import { CHOICES, USUAL } from './columns.js';
import { remembered, remember } from './settings.js';
import { canNotify, askToNotify } from './alerts.js';

let typing = 0,
  fit = () => {};

export function make({ theme, fit: refit, help }) {
  fit = refit;
  $('search').addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => change({ q: $('search').value }, { quiet: true }), 80);
  });
  for (const view of ['table', 'map', 'events'])
    $(`to-${view}`).addEventListener('click', () => change({ view }));
  $('group').addEventListener('change', () => change({ group: $('group').value }));
  $('fleet').addEventListener('click', () => change({ plots: params.plots ? '' : '1' }));
  $('theme').addEventListener('click', theme);
  $('help-button').addEventListener('click', help);
  $('help-close').addEventListener('click', () => $('help').close());
  for (const button of document.querySelectorAll('[popovertarget]')) anchor(button);
  options();
}

// A menu opens below its button.
function anchor(button) {
  const menu = $(button.getAttribute('popovertarget'));
  menu.addEventListener('beforetoggle', (event) => {
    attr(button, 'aria-expanded', event.newState === 'open');
    if (event.newState !== 'open') return;
    const { left, bottom } = button.getBoundingClientRect();
    menu.style.top = `${bottom + 4}px`;
    menu.style.left = `${Math.max(8, Math.min(left, innerWidth - 288))}px`;
  });
}

export function search(text) {
  $('search').value = text;
  change({ q: text }, { quiet: true });
}

// The controls show what the address says.
export function follow() {
  if ($('search').value.trim() !== params.q.trim()) $('search').value = params.q;
  $('group').value = params.group;
  labelGroup();
}

// On a phone the menu has no label beside it.
const narrow = matchMedia('(max-width: 719px)');
narrow.addEventListener('change', labelGroup);

function labelGroup() {
  say($('group').options[0], narrow.matches ? 'group: none' : 'none');
}

function options() {
  const chosen = new Set(remembered.columns ?? USUAL);
  const boxes = CHOICES.map((column) =>
    check(column.name, chosen.has(column.id), (on) => {
      chosen[on ? 'add' : 'delete'](column.id);
      remember({ columns: [...chosen] });
      fit();
    }),
  );
  $('option-list').append(
    check('dense rows', remembered.dense, (on) => {
      remember({ dense: on });
      fit();
    }),
  );
  if (canNotify())
    $('option-list').append(
      check(
        'notify me of errors',
        remembered.notify && Notification.permission === 'granted',
        async (on, box) => {
          box.checked = await askToNotify(on);
        },
      ),
    );
  $('column-list').append(...boxes);
}

function check(words, checked, then) {
  const box = h('input', { type: 'checkbox', checked, onchange: () => then(box.checked, box) });
  return h('label', null, box, h('span', { class: 'name' }, words));
}
