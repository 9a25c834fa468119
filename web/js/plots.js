// Fleet plots: processes by state and beats a second, from what this page has seen.
// Small ones in the header; a click shows them with their axes.

import { $, attr, say } from './dom.js';
import { store } from './store.js';
import { params } from './url.js';
import { colour } from './settings.js';
import { clock, number } from './words.js';

const KEPT = 900;
const times = [],
  lines = { error: [], warning: [], active: [], inactive: [], beats: [] };
const SPARKS = { processes: ['active', 'error'], beats: ['beats'] };
let plots = [],
  lastSample = 0,
  began = Date.now();

// One sample each two seconds, at most half an hour of them.
export function sample(counts) {
  const at = performance.now();
  if (at - lastSample < 1950) return;
  const seconds = (at - lastSample) / 1000;
  const first = lastSample === 0;
  lastSample = at;
  times.push(Date.now() / 1000);
  for (const state of ['error', 'warning', 'active', 'inactive']) lines[state].push(counts[state] ?? 0);
  lines.beats.push(first ? null : smooth(store.beats / seconds));
  store.beats = 0;
  for (const series of [times, ...Object.values(lines)]) if (series.length > KEPT) series.shift();
  draw();
}

// Beats come in bunches with the messages: the mean of the last five samples.
const recent = [];
function smooth(value) {
  recent.push(value);
  if (recent.length > 5) recent.shift();
  return recent.reduce((a, b) => a + b, 0) / recent.length;
}

// Nothing was heard: a hole in the lines, not a zero.
export function hole() {
  if (!times.length || lines.beats.at(-1) === null) return;
  times.push(Date.now() / 1000);
  for (const series of Object.values(lines)) series.push(null);
  lastSample = 0;
  store.beats = 0;
}

export function make() {
  for (const plot of plots) plot.destroy();
  plots = [];
  for (const [name, series] of Object.entries(SPARKS)) plots.push(spark($(`spark-${name}`), series));
  const open = params.plots === '1';
  $('plots').hidden = !open;
  attr($('fleet'), 'aria-expanded', open);
  if (!open) return;
  say($('plots-since'), `Seen by this page since ${clock(began)}.`);
  plots.push(
    full($('plot-processes'), 'processes', ['active', 'inactive', 'warning', 'error']),
    full($('plot-beats'), 'beats a second', ['beats']),
  );
  draw();
}

export function draw() {
  for (const plot of plots) plot.setData([times, ...plot.names.map((name) => lines[name])]);
  const beats = lines.beats.at(-1);
  say(
    $('beats-now'),
    beats === null || beats === undefined
      ? '–'
      : number(beats < 10 ? Math.round(beats * 10) / 10 : Math.round(beats)),
  );
  say($('processes-now'), store.hello ? number(store.total) : '–');
}

const stroke = {
  active: 'active',
  inactive: 'inactive',
  warning: 'mark-warning',
  error: 'mark-error',
  beats: 'accent',
};
const range = (u, low, high) => [0, Math.max(1, high ?? 1) * 1.1];

function spark(host, names) {
  host.replaceChildren();
  const plot = new uPlot(
    {
      width: 96,
      height: 24,
      cursor: { show: false },
      legend: { show: false },
      padding: [2, 0, 2, 0],
      axes: [{ show: false }, { show: false }],
      scales: { x: { time: true }, y: { range } },
      series: [
        {},
        ...names.map((name) => ({ stroke: colour(stroke[name]), width: 1.25, points: { show: false } })),
      ],
    },
    [[], ...names.map(() => [])],
    host,
  );
  plot.names = names;
  return plot;
}

// No two marks within one second, which would read the same.
const WHOLE = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

export function axes() {
  const line = {
    stroke: colour('quiet'),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
  };
  return [
    { ...line, values: '{HH}:{mm}:{ss}', space: 80, size: 24, incrs: WHOLE },
    { ...line, size: 48, values: (u, v) => v.map((n) => number(n)) },
  ];
}

function full(host, title, names) {
  host.replaceChildren();
  const plot = new uPlot(
    {
      width: host.clientWidth,
      height: 120,
      title,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      axes: axes(),
      padding: [8, 24, 0, 0],
      scales: { y: { range } },
      series: [
        {},
        ...names.map((name) => ({
          label: name,
          stroke: colour(stroke[name]),
          width: 1.5,
          points: { show: false },
        })),
      ],
    },
    [[], ...names.map(() => [])],
    host,
  );
  plot.names = names;
  return plot;
}
