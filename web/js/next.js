// What will happen to a process and when, computed from its thresholds the way
// disco-ls --why says it.

import { now } from './clock.js';
import { clock, span } from './words.js';

// Anybody may say "silent": by silence it is only what became so when the silence was long
// enough (half of it will do, for clocks are set now and then).
function bySilence({ row, state, sinceAt, beatAt }) {
  const after = { warning: row.warnAfter, error: row.errorAfter }[state];
  return Boolean(after && row.reason?.startsWith('silent ') && 2 * (sinceAt - beatAt) >= after * 1000);
}

// Sentences, the soonest first.
export function next(entry, master) {
  const { row, state } = entry,
    t = now();
  const paused = master.pausedUntil ? Date.parse(master.pausedUntil) : 0;
  const due = (after) =>
    after === null || after === undefined ? null : Math.max(entry.beatAt + after * 1000, paused);
  const at = (time) =>
    time <= t ? 'any moment' : `in ${span(Math.floor((time - t) / 1000))}, at ${clock(time)}`;
  const warn = due(row.warnAfter),
    error = due(row.errorAfter),
    forget = due(row.forgetAfter);
  const said = [];
  if (paused > t) said.push(`The master judges no silence before ${clock(paused)}.`);
  if (state === 'inactive') said.push('It left; a heartbeat with new content would bring it back.');
  else if (state !== 'active')
    said.push(
      bySilence(entry)
        ? 'A beat would make it active again.'
        : 'A mere beat does not end this; a heartbeat that says another state does.',
    );
  const steps = [];
  if (state === 'active' && warn !== null && (error === null || warn < error))
    steps.push(`turns warning ${at(warn)}`);
  if ((state === 'active' || state === 'warning') && error !== null) steps.push(`turns error ${at(error)}`);
  if (forget !== null) steps.push(`is forgotten ${at(forget)}`);
  if (steps.length) said.push(`Without a beat it ${steps.join('; ')}.`);
  if (row.held && state !== 'error')
    said.push('Its file is held: when its sender closes it, it is error at once.');
  if (row.via && (state === 'active' || bySilence(entry)))
    said.push(`Its beats come through ${row.via}; while that is not active it goes no further than warning.`);
  else if (row.via) said.push(`Its beats come through ${row.via}.`);
  return said;
}

export function why(entry) {
  if (entry.row.reason) return entry.row.reason;
  return (
    { active: 'it beats', warning: 'it is silent', error: 'no reason was given', inactive: 'it left' }[
      entry.state
    ] ?? ''
  );
}
