// Starts the page, and carries what happened to those who show it: once a frame when
// the server spoke, once a second for ages, at once when the address changes.

import { $, attr } from './dom.js';
import { store, apply, take } from './store.js';
import { order } from './order.js';
import { params, change, onchange } from './url.js';
import { subscription } from './filter.js';
import { EVERY, connect, send, status } from './socket.js';
import { applyTheme, toggleTheme } from './settings.js';
import { bind } from './keys.js';
import * as alerts from './alerts.js';
import * as blank from './blank.js';
import * as drawer from './drawer.js';
import * as events from './events.js';
import * as grid from './grid.js';
import * as head from './head.js';
import * as hold from './hold.js';
import * as map from './map.js';
import * as menus from './menus.js';
import * as plots from './plots.js';
import * as services from './services.js';
import * as strips from './strips.js';

let waiting = false,
  restUntil = 0;

function receive(message) {
  if (message.type === 'strips') return grid.redrawStrips(strips.receive(message));
  if (message.type === 'services') return services.receive(message);
  apply(message);
  soon();
}

// Frames stand still in a tab that nobody sees; its title must not.
function soon() {
  if (waiting) return;
  waiting = true;
  const rest = restUntil - performance.now();
  if (document.hidden) setTimeout(frame, 500);
  else if (rest > 0) setTimeout(() => requestAnimationFrame(frame), rest);
  else requestAnimationFrame(frame);
}

function frame() {
  waiting = false;
  const began = performance.now();
  const batch = take();
  const length = order.items.length;
  order.update(batch);
  grid.refresh(order.items.length !== length);
  if (batch.whole) events.renew();
  else if (batch.events.length) events.add(batch.events);
  map.update(batch);
  drawer.update(batch);
  alerts.note(batch.turned);
  drawHead();
  if (length === 0) grid.askSoon();
  // Where drawing costs much, it is done less often: a frame takes one part in forty.
  const cost = performance.now() - began;
  // The first rows wait for nothing.
  restUntil = cost > 4 && length > 0 ? performance.now() + Math.min(1000, 40 * cost) : 0;
}

function drawHead() {
  const counts = head.counts();
  head.drawCounts(counts);
  head.drawStatus();
  head.drawLine();
  alerts.drawTitle(counts);
  if (status().kind === 'live' && store.filled) plots.sample(counts);
  showView();
}

function second() {
  if (!document.hidden) {
    grid.tick();
    drawer.draw();
  }
  if (status().kind !== 'live') plots.hole();
  drawHead();
}

function showView() {
  const covered = blank.draw();
  for (const view of ['table', 'map', 'events']) {
    $(`view-${view}`).classList.toggle('off', view !== params.view || covered);
    attr($(`to-${view}`), 'aria-pressed', view === params.view);
  }
}

function subscribe() {
  return { subscribe: subscription(), every: EVERY, beats: true };
}

// What an address change means for whom.
function follow(changed) {
  const any = (...keys) => keys.some((key) => changed.has(key));
  if (any('service')) {
    services.label();
    send(subscribe());
  }
  if (any('q')) hold.release();
  if (any('q', 'state', 'sort', 'group', 'service')) {
    order.renew();
    grid.sortShown();
    grid.reset(true);
    events.renew();
  }
  showView();
  if (any('view')) {
    if (params.view === 'table') grid.fit();
    if (params.view === 'events') events.renew();
  }
  if (any('view', 'q', 'state', 'group', 'process')) map.renew();
  if (any('process')) drawer.renew(true);
  if (any('plots')) {
    plots.make();
    grid.fit();
  }
  menus.follow();
  drawHead();
}

function theme() {
  toggleTheme();
  redrawCanvases();
}

// Canvases know neither themes nor widths by themselves.
function redrawCanvases() {
  plots.make();
  plots.draw();
  map.renew();
}

const views = (view) => () => change({ view: params.view === view ? 'table' : view });
const GROUPS = ['', 'service', 'host'];

applyTheme();
head.make();
events.make(drawer.open);
drawer.make();
map.make(drawer.open);
grid.make(drawer.open);
services.make();
menus.make({ theme, fit: grid.fit, help: () => $('help').showModal() });
hold.make(() => {
  if (order.update({ changed: [], beaten: [], removed: [] })) grid.refresh(true);
  head.drawLine();
});
plots.make();
onchange(follow);
bind([
  ['/', 'search', () => $('search').select()],
  ['j ArrowDown', 'next row', (event) => row(1, event)],
  ['k ArrowUp', 'row before', (event) => row(-1, event)],
  ['Enter', 'open it, or fold the group', () => grid.activate()],
  ['Escape', 'close, or take the filters away', escape],
  [
    '1 2 3 4',
    'only errors, warnings, active, inactive',
    (event) => head.toggle(['error', 'warning', 'active', 'inactive'][event.key - 1]),
  ],
  [
    'g',
    'group by service, by host, not',
    () => change({ group: GROUPS[(GROUPS.indexOf(params.group) + 1) % 3] }),
  ],
  ['m', 'map', views('map')],
  ['e', 'events', views('events')],
  ['t', 'light or dark', theme],
  ['?', 'these', () => $('help').showModal()],
]);
let resizing = 0;
addEventListener('resize', () => {
  clearTimeout(resizing);
  resizing = setTimeout(redrawCanvases, 200);
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redrawCanvases);

// Arrows still scroll where there is something to scroll.
function row(by, event) {
  if (params.view === 'events' || event.target.closest('#drawer-body')) return false;
  const began = !grid.atRow();
  if (params.view === 'table') grid.focus();
  hold.touch();
  grid.move(began ? 0 : by);
  map.renew();
}

function escape(event) {
  if (event.target === $('search')) {
    if (params.q) return void menus.search('');
    return void $('search').blur();
  }
  if (document.querySelector(':popover-open')) return false;
  if (params.process) return drawer.close();
  if (params.state.length || params.q) return void change({ state: [], q: '' });
}

drawer.renew(false);
menus.follow();
drawHead();
setInterval(second, 1000);
setInterval(() => document.hidden || params.view !== 'table' || grid.askSoon(), 10000);
connect({ greet: () => [subscribe(), { history: 200 }], receive, wake: drawHead });
