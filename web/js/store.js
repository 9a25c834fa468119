// What the server said last: one entry per process, the counts, the events.
// Messages change it at once; take() hands over what happened since the last take,
// so that the page is drawn once a frame however many messages came.

import { heardAt, now } from './clock.js';
import { RANK } from './words.js';

const EVENTS_KEPT = 1000;
const INTERVALS_KEPT = 90;
const SOME = 2000; // intervals of all are kept up to so many rows; else of those looked at

// An entry stays the same object while the process lives; its row is replaced.
class Entry {
  constructor(row) {
    this.name = row.process;
    this.key = sortable(row.process);
    this.strip = null;
    this.intervals = null;
    this.markedUntil = 0;
    this.version = 0;
    this.gone = false;
    this.beatAt = this.sinceAt = 0;
    this.set(row);
  }

  set(row) {
    if (row.lastHb !== this.row?.lastHb) this.beatAt = Date.parse(row.lastHb) || 0;
    if (row.since !== this.row?.since) this.sinceAt = Date.parse(row.since) || 0;
    this.row = row;
    this.id = row.id;
    this.state = row.state;
    this.rank = RANK[row.state] ?? 3;
    this.counter = row.counter ?? 0;
    this.hay = null;
    this.version++;
  }

  // All that the search looks through, made when it is first asked for.
  get haystack() {
    const { row } = this;
    this.hay ??= [
      row.process,
      row.service,
      row.host,
      row.address,
      row.reason,
      ...Object.entries(row.meta ?? {}).map(([k, v]) => `${k}=${v}`),
    ]
      .join('\n')
      .toLowerCase();
    return this.hay;
  }
}

// fx_2 before fx_10.
export const sortable = (text) =>
  String(text ?? '')
    .toLowerCase()
    .replace(/\d+/g, (d) => d.padStart(10, '0'));

export const store = {
  entries: new Map(),
  byId: new Map(),
  counts: { error: 0, warning: 0, active: 0, inactive: 0 },
  total: 0,
  filled: false, // a whole keyframe came
  hello: null,
  master: { master: null, heard: null, pausedUntil: null },
  error: null,
  events: [], // oldest first
  beats: 0, // since the last sample
  sortedByBeat: false, // whether someone wants to know who beat
  collectAll: true, // intervals of all rows, or only of those asked for
};

let next = null; // the keyframe that is still coming, while an old one is shown
let batch = empty();

function empty() {
  return { changed: new Set(), beaten: new Set(), removed: [], turned: [], events: [], whole: false };
}

export function take() {
  const taken = batch;
  batch = empty();
  return taken;
}

export function apply(message) {
  if (message.time) heardAt(message.time);
  if (message.counts) Object.assign(store.counts, message.counts);
  if (message.total !== undefined) store.total = message.total;
  (HANDLERS[message.type] ?? (() => {}))(message);
}

const HANDLERS = {
  hello(message) {
    store.hello = message;
    store.master = message;
    store.error = null;
  },
  master(message) {
    store.master = message;
  },
  rows: keyframe,
  delta(message) {
    for (const name of message.gone ?? []) remove(name); // first: it may be there anew
    for (const row of message.rows ?? []) put(row);
    for (const [id, at, counter] of message.beats ?? []) beat(id, at, counter);
    if (message.events) remember(message.events);
  },
  history(message) {
    const latest = message.events.at(-1)?.seq ?? 0;
    store.events = message.events.concat(store.events.filter((e) => e.seq > latest));
    batch.whole = true;
  },
  error(message) {
    store.error = message.error;
  },
};

// The first one fills the page as it comes; a later one replaces what is there
// when it is complete.
function keyframe(message) {
  store.error = null;
  if (message.first) next = store.filled ? new Map() : null;
  if (message.first && !next) clear();
  for (const row of message.rows) {
    if (next) next.set(row.process, row);
    else put(row);
  }
  if (!message.last) return;
  if (next) {
    for (const name of [...store.entries.keys()]) if (!next.has(name)) remove(name);
    for (const row of next.values()) put(row);
    next = null;
  }
  store.filled = true;
  store.collectAll = store.entries.size <= SOME;
}

function clear() {
  for (const name of [...store.entries.keys()]) remove(name);
  store.byId.clear();
}

function put(row) {
  const entry = store.entries.get(row.process);
  if (!entry) {
    const made = new Entry(row);
    store.entries.set(made.name, made);
    store.byId.set(made.id, made);
    batch.changed.add(made);
    if (store.filled && !next) turned(made, null);
    return;
  }
  const from = entry.state;
  if (entry.id !== row.id) store.byId.delete(entry.id);
  if (row.lastHb !== entry.row.lastHb) interval(entry, Date.parse(row.lastHb), row.counter);
  entry.set(row);
  store.byId.set(entry.id, entry);
  batch.changed.add(entry);
  if (from !== entry.state) turned(entry, from);
}

function turned(entry, from) {
  batch.turned.push({ entry, from, to: entry.state });
  // Where all is marked, nothing is.
  if (batch.turned.length < 50) entry.markedUntil = performance.now() + 600;
}

function remove(name) {
  const entry = store.entries.get(name);
  if (!entry) return;
  entry.gone = true;
  entry.version++;
  store.entries.delete(name);
  store.byId.delete(entry.id);
  batch.changed.delete(entry);
  batch.removed.push(entry);
}

function beat(id, at, counter) {
  const entry = store.byId.get(id);
  if (!entry) return;
  interval(entry, at, counter);
  entry.beatAt = at;
  entry.counter = counter;
  if (store.sortedByBeat) batch.beaten.add(entry);
}

// Beats between two messages are told by the counter; their mean interval is kept.
function interval(entry, at, counter) {
  if (!(at > entry.beatAt)) return;
  const beats = counter > entry.counter ? counter - entry.counter : 1;
  store.beats += beats;
  if (!store.collectAll && !entry.watched) return;
  entry.intervals ??= [];
  entry.intervals.push([at, (at - entry.beatAt) / 1000 / beats]);
  if (entry.intervals.length > INTERVALS_KEPT) entry.intervals.shift();
}

function remember(events) {
  store.events.push(...events);
  if (store.events.length > EVENTS_KEPT * 1.2) store.events = store.events.slice(-EVENTS_KEPT);
  batch.events.push(...events);
  if (batch.events.length > EVENTS_KEPT) batch.events = batch.events.slice(-EVENTS_KEPT);
}

// How long it has been silent, by the server's clock.
export const silence = (entry) => now() - entry.beatAt;
