// The table's columns: what each shows of an entry, how wide it is, how it sorts.

import { h, copy, say } from './dom.js';
import { age, count, heard, number, SHAPE, span, STATES } from './words.js';
import { params } from './url.js';
import { now } from './clock.js';
import { stripNode } from './strips.js';

const words = (value) => h('span', null, value === null || value === undefined ? '' : String(value));
const seconds = (value) => words(value === null || value === undefined ? '' : span(value));

export const shape = (state) =>
  h('span', { class: `shape ${state}`, 'aria-hidden': 'true' }, SHAPE[state] ?? '');

function address(entry) {
  const { address: text } = entry.row;
  if (!text) return words('');
  return h(
    'span',
    {
      class: 'copies',
      title: `${text}: a click copies it`,
      onclick(event) {
        event.stopPropagation();
        copy(text, event.currentTarget);
      },
    },
    text,
  );
}

const sinceAge = (entry) => (entry.sinceAt ? age(now() - entry.sinceAt) : '');
const beatAge = (entry) => (entry.beatAt ? heard(now() - entry.beatAt) : '');

// `tick` columns are written anew each second; `plain` ones are shown unasked.
const COLUMNS = [
  { id: 'shape', name: '', width: 32, draw: (e) => shape(e.state), fixed: true },
  {
    id: 'process',
    name: 'process',
    width: 200,
    least: 144,
    grow: 1,
    max: 360,
    draw: (e) => words(e.name),
    fixed: true,
  },
  { id: 'service', name: 'service', width: 112, grow: 0.4, max: 200, draw: (e) => words(e.row.service) },
  { id: 'state', name: 'state', width: 84, draw: (e) => h('span', { class: `word ${e.state}` }, e.state) },
  {
    id: 'since',
    name: 'since',
    width: 72,
    right: true,
    tick: (node, e) => say(node.firstChild, sinceAge(e)),
    draw: (e) => words(sinceAge(e)),
  },
  {
    id: 'reason',
    name: 'reason',
    width: 168,
    least: 120,
    grow: 2,
    max: 1200,
    draw: (e) => words(e.row.reason),
  },
  { id: 'address', name: 'address', width: 176, least: 152, draw: address },
  { id: 'strip', name: 'last 10 minutes', width: 200, least: 136, unsorted: true, draw: (e) => stripNode(e) },
  {
    id: 'beat',
    name: 'heard',
    width: 76,
    right: true,
    tick: (node, e) => say(node.firstChild, beatAge(e)),
    draw: (e) => words(beatAge(e)),
  },
];

const MORE = [
  { id: 'host', name: 'host', width: 120, draw: (e) => words(e.row.host) },
  { id: 'ip', name: 'ip', width: 120, draw: (e) => words(e.row.ip) },
  { id: 'pid', name: 'pid', width: 80, right: true, draw: (e) => words(e.row.pid) },
  { id: 'version', name: 'version', width: 96, draw: (e) => words(e.row.version) },
  { id: 'user', name: 'user', width: 96, draw: (e) => words(e.row.user) },
  { id: 'via', name: 'via', width: 160, draw: (e) => words(e.row.via) },
  { id: 'held', name: 'held', width: 80, draw: (e) => words(e.row.held) },
  { id: 'every', name: 'every', width: 72, right: true, draw: (e) => seconds(e.row.every) },
  { id: 'warnAfter', name: 'warning after', width: 112, right: true, draw: (e) => seconds(e.row.warnAfter) },
  { id: 'errorAfter', name: 'error after', width: 104, right: true, draw: (e) => seconds(e.row.errorAfter) },
  {
    id: 'forgetAfter',
    name: 'forgotten after',
    width: 120,
    right: true,
    draw: (e) => seconds(e.row.forgetAfter),
  },
  {
    id: 'meta',
    name: 'meta',
    width: 200,
    unsorted: true,
    draw: (e) =>
      words(
        Object.entries(e.row.meta ?? {})
          .map(([k, v]) => `${k}=${v}`)
          .join('  '),
      ),
  },
];

export const CHOICES = [...COLUMNS.filter((c) => !c.fixed), ...MORE];
export const USUAL = COLUMNS.map((c) => c.id);

// Phones get two lines a row: shape, name, age; then the reason.
const PHONE = {
  id: 'phone',
  name: 'process',
  width: 320,
  tick: tickPhone,
  draw: (e) =>
    h(
      'div',
      { class: 'two' },
      shape(e.state),
      h('b', null, e.name),
      h('time', null, beatAge(e)),
      h('span', { class: `word ${e.state}` }, `${e.state} ${sinceAge(e)}`),
      h('span', { class: 'why' }, e.row.reason || e.row.service || ''),
    ),
};

function tickPhone(node, entry) {
  say(node.querySelector('time'), beatAge(entry));
  say(node.querySelector('.word'), `${entry.state} ${sinceAge(entry)}`);
}

export const PHONE_WIDTH = 720;

// The columns for a width: what is chosen, the room that is left given to those that grow.
export function columnsFor(width, chosen) {
  if (width < PHONE_WIDTH) return [{ ...PHONE, width }];
  const all = [...COLUMNS, ...MORE]
    .filter((c) => c.fixed || chosen.includes(c.id))
    .filter((c) => width >= 960 || c.id !== 'strip' || chosen.length > USUAL.length);
  const sum = (columns) => columns.reduce((total, c) => total + c.width, 0);
  const narrow = sum(all) > width;
  const wanted = all.map((c) => ({ ...c, width: (narrow && c.least) || c.width }));
  let left = width - sum(wanted);
  for (let round = 0; round < 3 && left > 1; round++) {
    const growing = wanted.filter((c) => c.grow && c.width < c.max);
    const shares = growing.reduce((sum, c) => sum + c.grow, 0);
    if (!shares) break;
    const room = left;
    for (const c of growing) {
      const more = Math.min(c.max - c.width, Math.floor((room * c.grow) / shares));
      c.width += more;
      left -= more;
    }
  }
  return wanted;
}

// A group's line, across all columns: its name, how many it has, what is wrong in it.
export function groupHead({ group, open, size, counts }) {
  return h(
    'span',
    { class: 'group-head' },
    h('span', { class: 'fold', 'aria-hidden': 'true' }, open ? '▾' : '▸'),
    h('b', null, group === '' ? `no ${params.group}` : group),
    h('span', { class: 'of' }, number(size)),
    ...STATES.filter((s) => counts[s] && s !== 'active').map((s) =>
      h('span', { class: `tally ${s}` }, shape(s), ` ${count(counts[s], s)}`),
    ),
  );
}
