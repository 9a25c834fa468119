// The plot of one process's intervals between beats, with both thresholds drawn in.
// It is collected while the page is open, and says since when.

import { $, say } from './dom.js';
import { now } from './clock.js';
import { colour } from './settings.js';
import { axes } from './plots.js';
import { clock, span } from './words.js';

let plot = null,
  of = null;

export function make(host, entry) {
  plot?.destroy();
  of = entry;
  const top = (u, low, high) => [0, Math.max(high ?? 0, smallest(entry)) * 1.15];
  const threshold = (name) => ({ stroke: colour(name), width: 1, dash: [4, 4], points: { show: false } });
  plot = new uPlot(
    {
      width: host.clientWidth || 360,
      height: 120,
      legend: { show: false },
      cursor: { show: false },
      padding: [8, 24, 0, 0],
      axes: axes().map((axis, i) => (i ? { ...axis, values: (u, v) => v.map((n) => `${n} s`) } : axis)),
      scales: { y: { range: top } },
      series: [
        {},
        { stroke: colour('accent'), width: 1.5, points: { show: true, size: 4, fill: colour('accent') } },
        threshold('mark-warning'),
        threshold('mark-error'),
        { stroke: colour('quiet'), width: 1.5, dash: [2, 3], points: { show: false } },
      ],
    },
    [[], [], [], [], []],
    host,
  );
  draw(entry);
}

// The plot reaches to the warning threshold at least, so that one sees how far it is.
const smallest = (entry) => entry.row.warnAfter ?? entry.row.errorAfter ?? 10;

export function draw(entry) {
  if (!plot || entry !== of) return;
  const known = entry.intervals ?? [],
    t = now() / 1000;
  const silent = (now() - entry.beatAt) / 1000;
  const last = entry.beatAt / 1000;
  const points = known.map(([at, seconds]) => [at / 1000, seconds]).filter(([at]) => at < last);
  const xs = [...points.map(([at]) => at), last, Math.max(t, last + 1)];
  const shown = [...points.map(([, seconds]) => seconds), known.at(-1)?.[1] ?? null, null];
  const growing = [...points.map(() => null), 0, silent];
  const flat = (value) => xs.map(() => value ?? null);
  plot.setData([xs, shown, flat(entry.row.warnAfter), flat(entry.row.errorAfter), growing]);
  const limits = [
    ['warning', entry.row.warnAfter],
    ['error', entry.row.errorAfter],
  ]
    .filter(([, v]) => v !== null && v !== undefined)
    .map(([w, v]) => `${w} after ${span(v)}`);
  say(
    $('intervals-said'),
    `${known.length ? `Seen by this page since ${clock(known[0][0])}` : 'This page has seen no beat of it yet: it collects while it is open'}. Silent now for ${span(Math.floor(silent))}${limits.length ? `; ${limits.join(', ')}` : ''}.`,
  );
}
