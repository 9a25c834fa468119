// The connection: opens it, begins again when it ends, and never calls an old
// message news. Its status: {kind, heard, retry}, kind being
//   connecting   nothing was ever heard
//   live         the last message is younger than the limit
//   reconnecting it ended a moment ago; `retry` is when it is tried again
//   silent       nothing for longer than the limit, connected or not

export const EVERY = 2;
const LIMIT = Math.max(5000, 2.5 * EVERY * 1000);

const url = new URL('ws', location.href.split('?')[0]);
url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';

// Whoever is so far behind begins anew.
const INBOX = 5000;

const inbox = [];
let pumping = false;
let socket = null,
  tries = 0,
  timer = 0;
let heard = 0,
  heardTick = 0,
  opened = 0,
  began = Date.now(),
  retry = 0;
let greet = () => [],
  receive = () => {},
  wake = () => {};

// connect({greet: () => first messages, receive: (message) => …, wake: () => status may differ})
export function connect(handlers) {
  ({ greet, receive, wake } = handlers);
  open();
  setInterval(watch, 1000);
  document.addEventListener('visibilitychange', watch);
  addEventListener('online', again);
}

export function send(message) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(message));
  return true;
}

export function status() {
  if (!heard)
    return { kind: Date.now() - began > LIMIT ? 'silent' : 'connecting', heard: 0, since: began, retry };
  if (quiet() > LIMIT) return { kind: 'silent', heard, since: heard, retry };
  if (socket?.readyState !== WebSocket.OPEN) return { kind: 'reconnecting', heard, since: heard, retry };
  return { kind: 'live', heard, since: heard, retry: 0 };
}

export const failures = () => tries;

// By both clocks: one stands still while the machine sleeps, the other may be set.
function quiet() {
  return Math.max(Date.now() - heard, performance.now() - heardTick);
}

function open() {
  clearTimeout(timer);
  retry = 0;
  const mine = new WebSocket(url);
  socket = mine;
  mine.onopen = () => {
    opened = performance.now();
    greet().forEach(send);
  };
  mine.onmessage = (event) => {
    if (mine !== socket) return;
    heard = Date.now();
    heardTick = performance.now();
    tries = 0;
    inbox.push(event.data);
    if (inbox.length > INBOX) drop();
    else if (!pumping) pump();
  };
  mine.onclose = () => mine === socket && ended();
  // A connection that neither opens nor fails is given up too.
  timer = setTimeout(() => mine === socket && mine.readyState === WebSocket.CONNECTING && drop(), 10000);
}

// A large table comes in hundreds of messages: they are read a little at a time, so
// that the first rows are drawn, and keys heard, before the last message is read.
function pump() {
  const end = performance.now() + 12;
  pumping = false;
  while (inbox.length && performance.now() < end) receive(JSON.parse(inbox.shift()));
  if (!inbox.length) return;
  pumping = true;
  if (document.hidden) setTimeout(pump);
  else requestAnimationFrame(() => setTimeout(pump));
}

function ended() {
  inbox.length = 0;

  clearTimeout(timer);
  const wait = Math.min(15000, 1000 * 2 ** tries++) * (0.8 + 0.4 * Math.random());
  retry = Date.now() + wait;
  timer = setTimeout(open, wait);
  wake();
}

function drop() {
  const old = socket;
  socket = null;
  old?.close();
  ended();
}

function again() {
  if (retry) open();
}

// A line that is open and says nothing is no line.
function watch() {
  if (socket?.readyState === WebSocket.OPEN && Math.min(quiet(), performance.now() - opened) > LIMIT) drop();
  else if (retry && !document.hidden && retry - Date.now() > 16000) open();
  wake();
}
