// What is looked at lives in the address, so that a link shows a colleague the same.

const LISTS = ['state', 'service'];
const PLAIN = { q: '', sort: 'state', group: '', view: 'table', process: '', plots: '' };
const listeners = [];

export const params = read();

function read() {
  const query = new URLSearchParams(location.search);
  const found = {};
  for (const key of LISTS) found[key] = query.getAll(key).filter(Boolean);
  for (const [key, usual] of Object.entries(PLAIN)) found[key] = query.get(key) ?? usual;
  if (!['table', 'map', 'events'].includes(found.view)) found.view = 'table';
  if (!['', 'service', 'host'].includes(found.group)) found.group = '';
  return found;
}

// A view that there is not does not stay in the address either.
const wished = new URLSearchParams(location.search).get('view');
if (wished !== null && wished !== params.view) history.replaceState(null, '', address());

function address() {
  const query = new URLSearchParams();
  for (const key of LISTS) for (const value of params[key]) query.append(key, value);
  for (const [key, usual] of Object.entries(PLAIN)) if (params[key] !== usual) query.set(key, params[key]);
  const text = query.toString();
  return location.pathname + (text ? `?${text}` : '');
}

// change({group: 'host'}): takes it over, tells everyone what changed. Typing does
// not fill the history: {quiet: true} replaces the entry.
export function change(wanted, { quiet = false } = {}) {
  const changed = Object.keys(wanted).filter((k) => String(params[k]) !== String(wanted[k]));
  if (!changed.length) return;
  Object.assign(params, wanted);
  history[quiet ? 'replaceState' : 'pushState'](null, '', address());
  tell(changed);
}

function tell(changed) {
  for (const listener of listeners) listener(new Set(changed));
}

export function onchange(listener) {
  listeners.push(listener);
}

addEventListener('popstate', () => {
  const found = read();
  const changed = Object.keys(found).filter((k) => String(params[k]) !== String(found[k]));
  Object.assign(params, found);
  tell(changed);
});
