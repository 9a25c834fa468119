// Which rows are shown: the state chips, the search, the services. The server does
// the services; the rest is done here, at once.

import { params } from './url.js';

// A predicate for entries; null when all are shown.
export function predicate({ q, state } = params) {
  const words = wordsOf(q);
  if (!words.length && !state.length) return null;
  const states = new Set(state);
  return (entry) =>
    (!states.size || states.has(entry.state)) && words.every((word) => entry.haystack.includes(word));
}

const wordsOf = (q) => q.toLowerCase().split(/\s+/).filter(Boolean);

// The same for short events, which have no address and no meta.
export function eventPredicate({ q, state, service } = params) {
  const words = wordsOf(q),
    states = new Set(state),
    services = new Set(service);
  return (event) => {
    if (event.process === '*' || !event.process) return !words.length && !states.size;
    if (states.size && !states.has(event.state)) return false;
    if (services.size && !services.has(event.service)) return false;
    const text = [event.process, event.service, event.host, event.reason].join('\n').toLowerCase();
    return words.every((word) => text.includes(word));
  };
}

// What hides rows: [{words, hides, without: the change that takes it away}].
export function blame(entries, total) {
  const found = [];
  const hidden = (only) => {
    const passes = predicate(only);
    let n = 0;
    for (const entry of entries.values()) if (!passes(entry)) n++;
    return n;
  };
  if (params.state.length)
    found.push({
      words: `the state ${params.state.join(' or ')}`,
      hides: hidden({ q: '', state: params.state }),
      without: { state: [] },
    });
  if (wordsOf(params.q).length)
    found.push({
      words: `the search “${params.q.trim()}”`,
      hides: hidden({ q: params.q, state: [] }),
      without: { q: '' },
    });
  if (params.service.length)
    found.push({
      words: `the service ${params.service.join(' or ')}`,
      hides: Math.max(0, total - entries.size),
      without: { service: [] },
    });
  return found;
}

// subscribe's filter: globs, so what is special in them is escaped.
export function subscription() {
  const glob = (text) => text.replace(/[\\*?[\]]/g, '\\$&');
  return params.service.length ? { service: params.service.map(glob) } : {};
}
