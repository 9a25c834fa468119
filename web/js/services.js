// The service chooser: the server is asked for the chosen ones only.

import { $, h, say } from './dom.js';
import { send } from './socket.js';
import { params, change } from './url.js';
import { STATES, number } from './words.js';
import { shape } from './columns.js';

let known = {},
  timer = 0;
const menu = $('services'),
  list = $('service-list'),
  search = $('service-search');

export function make() {
  menu.addEventListener('toggle', (event) => {
    clearInterval(timer);
    if (event.newState !== 'open') return;
    draw();
    send({ services: true });
    timer = setInterval(() => send({ services: true }), 5000);
  });
  search.addEventListener('input', draw);
  $('service-all').addEventListener('click', () => change({ service: [] }));
  label();
}

export function receive(message) {
  known = message.services;
  if (menu.matches(':popover-open')) draw();
}

export function label() {
  const { service } = params;
  say(
    $('services-button'),
    service.length === 0 ? 'all services' : service.length === 1 ? service[0] : `${service.length} services`,
  );
  $('services-button').classList.toggle('on', service.length > 0);
  if (menu.matches(':popover-open')) draw();
}

// Boxes stay the same nodes, so that a focus stays where it is.
function draw() {
  const wanted = search.value.trim().toLowerCase();
  const names = [...new Set([...Object.keys(known), ...params.service])].filter(Boolean).sort();
  search.hidden = names.length < 12;
  const there = new Map([...list.children].map((node) => [node.dataset.name, node]));
  for (const name of names) {
    const node = there.get(name) ?? box(name);
    there.delete(name);
    node.hidden = wanted !== '' && !name.toLowerCase().includes(wanted);
    node.querySelector('input').checked = params.service.includes(name);
    const counts = known[name] ?? {};
    const tallies = node.lastElementChild;
    const said = STATES.filter((s) => counts[s]).map((s) => [s, number(counts[s])]);
    if (tallies.dataset.said !== String(said)) {
      tallies.dataset.said = String(said);
      tallies.replaceChildren(...said.map(([s, n]) => h('span', { class: `tally ${s}` }, shape(s), ` ${n}`)));
    }
    list.append(node);
  }
  for (const node of there.values()) node.remove();
}

function box(name) {
  const node = h(
    'label',
    null,
    h('input', {
      type: 'checkbox',
      onchange: (event) =>
        change({
          service: event.target.checked
            ? [...params.service, name]
            : params.service.filter((s) => s !== name),
        }),
    }),
    h('span', { class: 'name' }, name),
    h('span', { class: 'tallies' }),
  );
  node.dataset.name = name;
  return node;
}
