// The table: SlickGrid over order.items, with what it lacks for screen readers, a
// cursor that follows its process, and cells written anew only when they differ.

import { $, attr } from './dom.js';
import { order } from './order.js';
import { params, change } from './url.js';
import { columnsFor, groupHead, PHONE_WIDTH, USUAL } from './columns.js';
import { remembered } from './settings.js';
import * as strips from './strips.js';

const host = $('grid');
let grid = null,
  columns = [],
  phone = false;
let cursor = null; // the entry (or group) that the keyboard is at
let opens = () => {};
const drawn = new Map(); // row number → {item, version} as it stands in the page

const provider = {
  getLength: () => order.items.length,
  getItem: (i) => order.items[i],
  getItemMetadata: (i) => {
    const item = order.items[i];
    if (item.group === undefined) return { cssClasses: classes(item) };
    return { cssClasses: classes(item), columns: { 0: { colspan: '*', formatter: groupCell } } };
  },
};

function classes(item) {
  const at = item === cursor ? ' cursor' : '';
  if (item.group !== undefined) return `group${at}`;
  const marked = item.markedUntil > performance.now() ? ' marked' : '';
  const open = item.name === params.process ? ' opened' : '';
  return `in-${item.state}${item.gone ? ' gone' : ''}${marked}${open}${at}`;
}

function groupCell(i, cell, value, column, group) {
  drawn.set(i, { item: group, version: group.version });
  return groupHead(group);
}

export function make(open) {
  opens = open;
  grid = new Slick.Grid(host, provider, [], {
    nonce: document.querySelector('meta[name=nonce]').content,
    rowHeight: rowHeight(),
    headerRowHeight: 32,
    enableCellNavigation: false,
    enableColumnReorder: false,
    enableTextSelectionOnCells: true,
    enableHtmlRendering: false,
    forceFitColumns: false,
    minRowBuffer: 4,
    suppressCssChangesOnHiddenInit: true,
  });
  grid.onRendered.subscribe(finish);
  grid.onClick.subscribe((event, { row }) => clicked(event, row));
  grid.onSort.subscribe((event, { sortCol, sortAsc }) => change({ sort: (sortAsc ? '' : '-') + sortCol.id }));
  grid.onScroll.subscribe(askSoon);
  grid.onMouseEnter.subscribe((event, { row, cell }) => explain(row, cell));
  host.addEventListener('keydown', sortByKey);
  host.addEventListener('focus', () => cursor || move(0));
  for (const node of host.querySelectorAll('[tabindex]')) node.removeAttribute('tabindex');
  attr(host, 'tabindex', 0);
  new ResizeObserver(fit).observe(host);
  fit();
}

const rowHeight = () => (phone ? 56 : remembered.dense ? 26 : 32);

const side = (column, i, all) =>
  `${column.right ? 'right' : ''} ${i === all.length - 1 ? 'last' : ''}`.trim();

// Columns and heights for the room there is.
export function fit() {
  const width = host.clientWidth;
  if (!grid || !width) return;
  phone = width < PHONE_WIDTH;
  document.documentElement.classList.toggle('phone', phone);
  const bar = grid.getScrollbarDimensions?.().width ?? 0;
  columns = columnsFor(width - bar, remembered.columns ?? USUAL).map((column, i, all) => ({
    id: column.id,
    name: column.name,
    field: column.id,
    width: column.width,
    minWidth: 24,
    tick: column.tick,
    sortable: !column.unsorted && column.id !== 'shape' && column.id !== 'phone',
    resizable: false,
    focusable: false,
    cssClass: `c-${column.id} ${side(column, i, all)}`,
    headerCssClass: side(column, i, all),
    formatter: (i, cell, value, col, entry) => {
      if (cell === 0) drawn.set(i, { item: entry, version: entry.version });
      return column.draw(entry);
    },
  }));
  drawn.clear();
  grid.setOptions({ rowHeight: rowHeight() }, true, true, true);
  grid.setColumns(columns);
  grid.setColumnHeaderVisibility(!phone, false);
  sortShown();
  grid.resizeCanvas();
  grid.invalidate();
}

// A header that has the focus sorts as by a click.
function sortByKey(event) {
  const id = event.target.dataset?.id;
  if (!id || !['Enter', ' '].includes(event.key)) return;
  event.preventDefault();
  event.stopPropagation();
  change({ sort: params.sort === id ? `-${id}` : id });
}

export function sortShown() {
  const id = params.sort.replace(/^-/, ''),
    up = !params.sort.startsWith('-');
  grid.setSortColumns(columns.some((c) => c.id === id) ? [{ columnId: id, sortAsc: up }] : []);
  for (const node of host.querySelectorAll('.slick-header-column')) {
    const mine = node.dataset.id === id;
    attr(node, 'role', 'columnheader');
    attr(node, 'aria-sort', mine ? (up ? 'ascending' : 'descending') : 'none');
    if (node.classList.contains('slick-header-sortable')) attr(node, 'tabindex', 0);
    if (node.dataset.id === 'shape') attr(node, 'aria-label', 'shape of the state');
  }
}

// The items may be others: draw those rows that differ from what stands there.
export function refresh(length) {
  if (length) grid.updateRowCount();
  const differ = [];
  for (const [i, was] of drawn) {
    const item = order.items[i];
    if (item === was.item && item.version === was.version) continue;
    if (item && item === was.item && item.group === undefined) redraw(i, item);
    else (differ.push(i), drawn.delete(i));
  }
  if (differ.length) grid.invalidateRows(differ);
  if (differ.length || length) {
    grid.render();
    askSoon();
  }
  attr(host, 'aria-rowcount', order.items.length + 1);
}

// Everything stands elsewhere: after another sort or filter.
export function reset(top) {
  drawn.clear();
  grid.invalidate();
  if (top) grid.scrollRowToTop(0);
  attr(host, 'aria-rowcount', order.items.length + 1);
  askSoon();
}

// One row changed where it stands; its node stays, and so does what is selected elsewhere.
function redraw(i, entry) {
  grid.updateRow(i);
  for (const cell of rowNode(i)?.children ?? []) cell.removeAttribute('title');
  drawn.set(i, { item: entry, version: entry.version });
  dress(i);
  unmarking ||= setTimeout(unmark, 650);
}

const rowNode = (i) => grid.getCellNode(i, 0)?.parentNode;

function dress(i) {
  const node = rowNode(i),
    item = order.items[i];
  if (!node || !item) return;
  node.className = `ui-widget-content slick-row ${i % 2 ? 'odd' : 'even'} ${classes(item)}`;
  attr(node, 'aria-selected', item === cursor);
}

// Marks are taken away when their time is over; they are no animation, which would
// cost a frame each frame while much happens.
let unmarking = 0;
function unmark() {
  unmarking = 0;
  for (const i of drawn.keys()) {
    if (!rowNode(i)?.classList.contains('marked')) continue;
    dress(i);
    if (order.items[i]?.markedUntil > performance.now()) unmarking ||= setTimeout(unmark, 650);
  }
}

// After SlickGrid drew: positions for screen readers.
function finish() {
  attr(host, 'role', params.group ? 'treegrid' : 'grid');
  unmarking ||= setTimeout(unmark, 650);
  const { top, bottom } = grid.getRenderedRange();
  for (let i = top; i <= bottom; i++) {
    const node = rowNode(i);
    if (!node) continue;
    attr(node, 'aria-rowindex', i + 2);
    attr(node, 'id', `row-${i}`);
    const item = order.items[i];
    attr(node, 'aria-selected', item === cursor);
    if (!params.group) continue;
    attr(node, 'aria-level', item.group === undefined ? 2 : 1);
    if (item.group !== undefined) attr(node, 'aria-expanded', item.open);
  }
  if (drawn.size > 400) for (const i of drawn.keys()) if (i < top - 50 || i > bottom + 50) drawn.delete(i);
  point();
}

function onScreen() {
  if (!grid || !host.clientWidth) return [];
  const { top, bottom } = grid.getRenderedRange();
  return order.items.slice(Math.max(0, top), bottom + 1).filter((item) => item.group === undefined);
}

// Ages of the rows on screen, once a second.
export function tick() {
  const { top, bottom } = grid.getViewport();
  columns.forEach((column, cell) => {
    if (!column.tick) return;
    for (let i = top; i <= bottom; i++) {
      const item = order.items[i];
      if (!item || item.group !== undefined) continue;
      const node = grid.getCellNode(i, cell);
      if (node?.firstChild) column.tick(node, item);
    }
  });
}

export function redrawStrips(entries) {
  const cell = columns.findIndex((c) => c.id === 'strip');
  if (cell < 0) return;
  for (const entry of entries)
    if (order.items[entry.at] === entry && drawn.has(entry.at)) grid.updateCell(entry.at, cell);
}

let asking = 0;
export function askSoon() {
  asking ||= setTimeout(ask, 150);
}

function ask() {
  asking = 0;
  if (columns.some((c) => c.id === 'strip')) strips.ask(onScreen());
}

function explain(i, cell) {
  const node = i === undefined ? null : grid.getCellNode(i, cell);
  if (!node || node.title) return;
  if (node.scrollWidth > node.clientWidth) node.title = node.textContent;
}

function clicked(event, i) {
  if (String(getSelection())) return;
  moveTo(i);
  activate();
}

// Enter or a click: a group folds, a process opens.
export function activate() {
  if (!cursor) return;
  if (cursor.group === undefined) return opens(cursor.name);
  const { group } = cursor;
  order.closed[order.closed.has(group) ? 'delete' : 'add'](group);
  order.renew();
  cursor = order.items.find((item) => item.group === group);
  reset(false);
}

export function move(by) {
  const at =
    cursor && order.items[cursor.at] === cursor ? cursor.at + by : Math.max(0, grid.getViewport().top);
  moveTo(Math.max(0, Math.min(order.items.length - 1, at)));
}

function moveTo(i) {
  const old = cursor;
  cursor = order.items[i] ?? null;
  if (old && order.items[old.at] === old) dress(old.at);
  if (!cursor) return;
  grid.scrollRowIntoView(i);
  dress(i);
  point();
}

function point() {
  const at = cursor && order.items[cursor.at] === cursor ? cursor.at : -1;
  if (at >= 0 && rowNode(at)) attr(host, 'aria-activedescendant', `row-${at}`);
  else host.removeAttribute('aria-activedescendant');
}

export const atRow = () => cursor !== null && order.items[cursor.at] === cursor;
export const cursorEntry = () => (cursor && cursor.group === undefined && !cursor.gone ? cursor : null);
export const focus = () => host.focus({ preventScroll: true });

// The drawer opened or closed: one row is marked as the open one.
export function showOpened() {
  for (const i of drawn.keys()) dress(i);
}
