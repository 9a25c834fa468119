// The rows in their order: sorted, filtered, grouped. Kept up to date by merging
// what changed into what is sorted, and standing still while it is held.

import { store, sortable } from './store.js';
import { params } from './url.js';
import { predicate } from './filter.js';

const text = (get) => (e) => sortable(get(e));
const KEYS = {
  process: (e) => e.key,
  service: text((e) => e.row.service),
  reason: text((e) => e.row.reason),
  address: text((e) => e.row.address),
  since: (e) => -e.sinceAt,
  beat: (e) => -e.beatAt,
};

// Worst first: in error, warned, active, left; what happened last first; then by name.
function worst(a, b) {
  return a.rank - b.rank || (a.rank < 2 ? b.sinceAt - a.sinceAt : 0) || byName(a, b);
}

const byName = (a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

function comparator(sort) {
  const down = sort.startsWith('-') ? -1 : 1;
  const name = sort.replace(/^-/, '');
  if (name === 'state') return (a, b) => down * worst(a, b);
  const key = KEYS[name] ?? text((e) => e.row[name]);
  return (a, b) => {
    const x = (a.sortKey ??= key(a)),
      y = (b.sortKey ??= key(b));
    return x < y ? -down : x > y ? down : byName(a, b);
  };
}

export const order = {
  items: [], // entries, and {group, counts, size, open} before each group's
  shown: 0, // entries that pass the filters
  held: false, // set by whoever watches the pointer and the focus
  waiting: 0, // rows that would move if it were not held
  closed: new Set(), // names of groups folded up
  renew,
  update,
};

let sorted = [];
let pending = new Set(),
  lost = false;

// Everything anew: other filters, another sort, another group.
function renew() {
  store.sortedByBeat = params.sort.endsWith('beat');
  for (const entry of store.entries.values()) entry.sortKey = null;
  sorted = [...store.entries.values()].sort(comparator(params.sort));
  pending.clear();
  lost = false;
  order.waiting = 0;
  layOut();
}

// Takes a batch in; true when the items are others than before.
function update(batch) {
  for (const entry of batch.changed) pending.add(entry);
  for (const entry of batch.beaten) pending.add(entry);
  if (batch.removed.length) lost = true;
  for (const entry of batch.removed) pending.delete(entry);
  if (!pending.size && !lost) return false;
  if (order.held) return append(batch);
  merge();
  layOut();
  return true;
}

// What changed is taken out and put where it belongs, found by halving: most rows
// stay in their order and are not compared at all.
function merge() {
  const compare = comparator(params.sort);
  for (const entry of pending) {
    entry.sortKey = null;
    entry.moving = true;
  }
  const moved = [...pending].sort(compare);
  const rest = sorted.filter((entry) => !entry.gone && !entry.moving);
  sorted = [];
  let from = 0;
  for (const entry of moved) {
    const to = place(rest, entry, from, compare);
    for (; from < to; from++) sorted.push(rest[from]);
    sorted.push(entry);
    entry.moving = false;
  }
  for (; from < rest.length; from++) sorted.push(rest[from]);
  pending.clear();
  lost = false;
  order.waiting = 0;
}

function place(rest, entry, low, compare) {
  let high = rest.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(rest[middle], entry) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

// While it is held, what is new goes to the end and nothing else moves.
function append(batch) {
  const passes = predicate() ?? (() => true);
  let grew = false;
  for (const entry of batch.changed) {
    if (entry.at !== undefined && order.items[entry.at] === entry) continue;
    if (!passes(entry) || params.group) continue;
    entry.at = order.items.length;
    order.items.push(entry);
    order.shown++;
    grew = true;
  }
  order.waiting = pending.size + batch.removed.length;
  return grew;
}

function layOut() {
  const passes = predicate();
  const shown = passes ? sorted.filter(passes) : sorted.slice();
  order.shown = shown.length;
  order.items = params.group ? grouped(shown, params.group) : shown;
  for (let i = 0; i < order.items.length; i++) order.items[i].at = i;
}

// Groups stand in the order of their first row: the worst first when rows do. A group
// stays the same object, so that whoever points at it still does.
const groupsKnown = new Map();

function grouped(entries, by) {
  const groups = new Map();
  for (const entry of entries) {
    const name = entry.row[by] ?? '';
    let group = groups.get(name);
    if (!group)
      groups.set(name, (group = { rows: [], counts: { error: 0, warning: 0, active: 0, inactive: 0 } }));
    group.counts[entry.state]++;
    group.rows.push(entry);
  }
  const items = [];
  for (const [name, { rows, counts }] of groups) {
    const group = known(`${by}:${name}`, name);
    const open = !order.closed.has(name);
    const said = JSON.stringify([counts, open]);
    if (group.said !== said)
      Object.assign(group, { said, counts, open, size: rows.length, version: group.version + 1 });
    items.push(group);
    if (open) for (const entry of rows) items.push(entry);
  }
  return items;
}

function known(id, name) {
  if (!groupsKnown.has(id)) groupsKnown.set(id, { group: name, version: 0, at: -1 });
  return groupsKnown.get(id);
}
