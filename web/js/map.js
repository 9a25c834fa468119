// The map: a square per process on a canvas, grouped, in a place that stays. Well ones
// are small and pale, warned ones larger, those in error full: it is told by size too.

import { $, say } from './dom.js';
import { store } from './store.js';
import { order } from './order.js';
import { params } from './url.js';
import { predicate } from './filter.js';
import { colour } from './settings.js';
import { STATES, age, count, number } from './words.js';
import { now } from './clock.js';
import { cursorEntry } from './grid.js';

const canvas = $('map-canvas'),
  box = $('map'),
  tip = $('map-tip');
const context = canvas.getContext('2d');
const LABEL = 20,
  GAP = 12;
let blocks = [],
  size = 8,
  places = new Map(),
  opens = () => {},
  colours = null,
  hovered = null;

export function make(open) {
  opens = open;
  new ResizeObserver(() => renew()).observe(box);
  canvas.addEventListener('pointermove', hover);
  canvas.addEventListener('pointerleave', () => {
    hovered = null;
    tip.hidden = true;
  });
  canvas.addEventListener('click', (event) => {
    const entry = at(event.offsetX, event.offsetY);
    if (entry) opens(entry.name);
  });
}

// Everything anew: other rows, another size, another theme.
export function renew() {
  if (params.view !== 'map' || !box.clientWidth) return;
  colours = null;
  place();
  paint();
}

// Takes a batch in: squares that changed are painted where they are.
export function update(batch) {
  if (params.view !== 'map' || (!batch.changed.size && !batch.removed.length)) return;
  if (predicate() || batch.removed.length || fresh(batch.changed)) return renew();
  if (batch.changed.size > 2000) return paint();
  for (const entry of batch.changed) square(entry, true);
  label();
}

function fresh(entries) {
  for (const entry of entries) if (!places.has(entry)) return true;
  return false;
}

// Blocks flow like words; the largest square is taken with which all fit on one screen.
function place() {
  const passes = predicate() ?? (() => true),
    by = params.group || 'service';
  const groups = new Map();
  for (const entry of store.entries.values()) {
    if (!passes(entry)) continue;
    const name = entry.row[by] ?? '';
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(entry);
  }
  blocks = [...groups]
    .sort((a, b) => (a[0] < b[0] ? -1 : 1))
    .map(([name, entries]) => ({
      name: name || `no ${by}`,
      entries: entries.sort((a, b) => (a.key < b.key ? -1 : 1)),
    }));
  const width = box.clientWidth - 32,
    height = box.clientHeight - 16;
  let tall = 0;
  for (size = 24; size >= 3; size--) {
    tall = flow(width);
    if (tall <= height) break;
  }
  if (size < 3) size = 3;
  const ratio = devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = Math.max(height, tall) * ratio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${Math.max(height, tall)}px`;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  places = new Map();
  for (const block of blocks)
    block.entries.forEach((entry, i) =>
      places.set(entry, {
        x: block.x + (i % block.columns) * size,
        y: block.y + LABEL + Math.floor(i / block.columns) * size,
      }),
    );
}

function flow(width) {
  let x = 0,
    y = 0,
    shelf = 0;
  context.font = font();
  for (const block of blocks) {
    const n = block.entries.length;
    const least = Math.ceil(Math.min(width, context.measureText(title(block)).width + 8) / size);
    block.columns = Math.max(
      1,
      Math.min(Math.floor(width / size), Math.max(least, Math.ceil(Math.sqrt(n * 3)))),
    );
    const wide = block.columns * size,
      tall = LABEL + Math.ceil(n / block.columns) * size;
    if (x && x + wide > width) {
      x = 0;
      y += shelf + GAP;
      shelf = 0;
    }
    Object.assign(block, { x, y });
    x += wide + GAP;
    shelf = Math.max(shelf, tall);
  }
  return y + shelf;
}

const font = () => `12px ${getComputedStyle(document.body).fontFamily}`;
const title = (block) => `${block.name}  ${number(block.entries.length)}`;

function paint() {
  colours ??= Object.fromEntries(
    ['text', 'quiet', 'ground', 'accent', 'calm', 'mark-error', 'mark-warning', 'mark-inactive'].map(
      (name) => [name, colour(name)],
    ),
  );
  context.fillStyle = colours.ground;
  context.fillRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  context.font = font();
  context.textBaseline = 'middle';
  for (const block of blocks) {
    context.fillStyle = colours.quiet;
    context.fillText(title(block), block.x, block.y + LABEL / 2 - 2, canvas.clientWidth);
  }
  const byState = group(places.keys());
  for (const state of [...STATES].reverse()) for (const entry of byState[state] ?? []) square(entry, false);
  label();
}

function group(entries) {
  const found = {};
  for (const entry of entries) (found[entry.state] ??= []).push(entry);
  return found;
}

function square(entry, clear) {
  const place = places.get(entry);
  if (!place) return;
  const { x, y } = place,
    inner = size - (size > 5 ? 2 : 1);
  if (clear) {
    context.fillStyle = colours.ground;
    context.fillRect(x, y, size, size);
  }
  if (entry.state === 'error') fill(colours['mark-error'], x, y, inner);
  else if (entry.state === 'warning' && size >= 8) triangle(x, y, inner);
  else if (entry.state === 'warning') fill(colours['mark-warning'], x, y, inner);
  else if (entry.state === 'active') {
    const inset = size >= 8 ? 2 : 0;
    fill(colours.calm, x + inset, y + inset, inner - 2 * inset);
  } else {
    context.strokeStyle = colours['mark-inactive'];
    context.lineWidth = 1;
    if (size > 4) context.strokeRect(x + 0.5, y + 0.5, inner - 1, inner - 1);
    else context.strokeRect(x + 0.5, y + 0.5, 1, 1);
  }
  if (entry === cursorEntry() || entry.name === params.process) {
    context.strokeStyle = colours.accent;
    context.lineWidth = 2;
    context.strokeRect(x, y, inner, inner);
  }
}

function fill(style, x, y, side) {
  context.fillStyle = style;
  context.fillRect(x, y, side, side);
}

function triangle(x, y, side) {
  context.fillStyle = colours['mark-warning'];
  context.beginPath();
  context.moveTo(x + side / 2, y);
  context.lineTo(x + side, y + side);
  context.lineTo(x, y + side);
  context.fill();
}

function label() {
  const counts = {};
  for (const entry of places.keys()) counts[entry.state] = (counts[entry.state] ?? 0) + 1;
  canvas.setAttribute(
    'aria-label',
    `map of ${number(order.shown)} processes: ${
      STATES.filter((s) => counts[s])
        .map((s) => count(counts[s], s))
        .join(', ') || 'none'
    }`,
  );
}

function at(x, y) {
  const block = blocks.find(
    (b) =>
      x >= b.x &&
      x < b.x + b.columns * size &&
      y >= b.y + LABEL &&
      y < b.y + LABEL + Math.ceil(b.entries.length / b.columns) * size,
  );
  if (!block) return null;
  return (
    block.entries[
      Math.floor((y - block.y - LABEL) / size) * block.columns + Math.floor((x - block.x) / size)
    ] ?? null
  );
}

function hover(event) {
  const entry = at(event.offsetX, event.offsetY);
  canvas.style.cursor = entry ? 'pointer' : 'default';
  tip.hidden = !entry;
  if (entry === hovered && entry) return;
  hovered = entry;
  if (!entry) return;
  say(tip.children[0], entry.name);
  say(
    tip.children[1],
    `${entry.state} ${age(now() - entry.sinceAt)}${entry.row.reason ? ` · ${entry.row.reason}` : ''}`,
  );
  const place = places.get(entry);
  const left = Math.min(canvas.offsetLeft + place.x, box.clientWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(8, left)}px`;
  const above = canvas.offsetTop + place.y - tip.offsetHeight - 6;
  tip.style.top = `${above > box.scrollTop ? above : canvas.offsetTop + place.y + size + 6}px`;
}
