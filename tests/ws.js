/* A WebSocket client that is not ours, for tests/websocket.bats: node ws.js URL STEP...
 * Each scene is a function; it throws, or all is well. */
const WebSocket = require('ws');
const fs = require('fs');
const net = require('net');
const crypto = require('crypto');
const { execFileSync } = require('child_process');

const url = process.argv[2];
const ws = url.replace(/^http/, 'ws');
const { hostname, port } = new URL(url);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const hb = (...args) => execFileSync('disco-hb', args);

function assert(truth, words) {
  if (!truth) throw new Error(words);
}

/* Until it is true, or 20 seconds are over. */
async function until(what, words) {
  for (const end = Date.now() + 20000; Date.now() < end; await sleep(10)) if (await what()) return;
  throw new Error(`waited in vain: ${words}`);
}

/* A client that keeps the table as a page would. */
class Client {
  constructor(path = '/ws', options = {}) {
    this.rows = new Map();
    this.messages = [];
    this.events = [];
    this.keyframes = 0;
    this.socket = new WebSocket(ws + path, options);
    this.open = new Promise((done, fail) => {
      this.socket.on('open', done);
      this.socket.on('error', fail);
    });
    this.closed = new Promise((done) => this.socket.on('close', (code) => done(code)));
    this.socket.on('message', (data) => this.take(JSON.parse(data)));
  }
  take(m) {
    this.messages.push(m.type ?? m.func);
    this.last = m;
    if (m.type === 'rows' && m.first) this.rows.clear();
    for (const name of m.gone ?? []) this.rows.delete(name);
    for (const row of m.rows ?? []) this.rows.set(row.process, row);
    for (const [id, lastHb, counter] of m.beats ?? [])
      for (const row of this.rows.values()) if (row.id === id) Object.assign(row, { lastHb, counter });
    this.events.push(...(m.events ?? []));
    if (m.type === 'rows' && m.last) this.keyframes++;
  }
  async begin(message = { subscribe: {}, every: 0.2 }) {
    await this.open;
    this.say(message);
    return this;
  }
  say(message) {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }
  next(type) {
    return new Promise((done) => {
      const on = (data) => {
        const m = JSON.parse(data);
        if ((m.type ?? m.func) !== type) return;
        this.socket.off('message', on);
        done(m);
      };
      this.socket.on('message', on);
    });
  }
}

const scenes = {
  /* It says nothing first, then hello, the rows, and what changes. */
  async basics() {
    hb('-s', 'rdb', '-a', '10.0.0.1:5', 'one');
    const c = new Client('/');
    await c.open;
    await sleep(100);
    assert(c.messages.length === 0, 'it spoke first');
    await c.begin();
    await until(() => c.rows.has('one'), 'one');
    assert(c.messages[0] === 'hello' && c.messages[1] === 'rows', c.messages.join());
    assert(!('age' in c.rows.get('one')) && c.rows.get('one').address === '10.0.0.1:5', 'the row');
    hb('-s', 'rdb', '-a', '10.0.0.1:5', 'one');
    await until(() => c.rows.get('one').counter === 2, 'the beat');
    assert(typeof c.rows.get('one').lastHb === 'number', 'beats are packed');
    hb('--state', 'error', '--reason', 'bad', 'one');
    await until(() => c.rows.get('one').state === 'error', 'the error');
    assert(c.events.at(-1).event === 'error' && c.events.at(-1).from === 'active', 'the event');
    assert(c.last.counts.error === 1 && c.last.total === c.rows.size, 'the counts');
  },

  async subscriptions() {
    hb('-s', 'a', 'one');
    hb('-s', 'b', 'two');
    const c = await new Client().begin({ subscribe: { service: ['a', 'c*'] }, every: 0.2 });
    await until(() => c.keyframes === 1, 'the keyframe');
    assert([...c.rows.keys()].join() === 'one', [...c.rows.keys()].join());
    hb('-s', 'b', '--state', 'error', 'two');
    hb('-s', 'cc', 'three');
    await until(() => c.rows.has('three'), 'three');
    assert(c.rows.size === 2 && c.events.every((e) => e.service !== 'b'), 'only what was asked for');
    c.say({ subscribe: { state: 'error' }, every: 0.2 });
    await until(() => c.keyframes === 2, 'the second keyframe');
    assert([...c.rows.keys()].join() === 'two', 'the error');
    hb('-s', 'b', 'two');
    await until(() => c.rows.size === 0, 'what is no more asked for goes');
  },

  async answers() {
    hb('-s', 'rdb', 'one');
    const c = await new Client().begin();
    await until(() => c.rows.has('one'), 'one');
    c.say({ strips: ['one', 'nobody'] });
    const strips = (await c.next('strips')).strips;
    assert(Object.keys(strips).join() === 'one' && strips.one.beats.length === 60, 'strips');
    assert(/^[-awei]{59}a$/.test(strips.one.states), strips.one.states);
    c.say({ history: 100 });
    assert((await c.next('history')).events.some((e) => e.process === 'one' && e.event === 'joined'), 'history');
    c.say({ services: true });
    assert((await c.next('services')).services.rdb.active === 1, 'services');
    for (const bad of ['x', '{}', '[]', '{"subscribe":1}', '{"subscribe":{"colour":"red"}}', '{"subscribe":{"state":"blue"}}',
      '{"subscribe":{},"every":0}', '{"subscribe":{},"every":1e9}', '{"strips":1}', '{"history":"x"}', '{"call":"x"}']) {
      const error = c.next('error');
      c.say(bad);
      assert((await error).error.length > 3, bad);
    }
    assert(c.socket.readyState === WebSocket.OPEN, 'it stays open');
  },

  /* The original's page: its two texts, ten keys first, time of day, nothing evaluated. */
  async original() {
    hb('-a', 'h:1', 'one');
    hb('two');
    const c = new Client('/');
    await c.open;
    c.say('.master.loadPage[]');
    const names = await c.next('getSyms');
    assert(names.result.includes('one') && names.result.includes('two'), 'names');
    const all = await c.next('getDiscovery');
    const one = all.result.find((row) => row.process === 'one');
    assert(Object.keys(one).slice(0, 10).join() ===
      'process,handle,ip,address,pid,counter,lastHb,active,warning,error', Object.keys(one).join());
    assert(/^\d\d:\d\d:\d\d\.\d\d\d$/.test(one.lastHb) && one.active === true, one.lastHb);
    c.say('.master.filterSyms[`one]');
    await until(() => c.last.result?.length === 1 && c.last.result[0].process === 'one', 'only one');
    c.say('.master.filterSyms[`one`two]');
    await until(() => c.last.result?.length === 2, 'both');
    for (const bad of ['.master.filterSyms[`one;exit 0]', '.z.exit[]', '.master.loadPage[] ', '.master.filterSyms[`one']) {
      const error = c.next('error');
      c.say(bad);
      await error;
    }
    await c.next('getDiscovery');
  },

  async frames() {
    hb('one');
    const c = await new Client().begin();
    await until(() => c.rows.has('one'), 'one');
    /* In pieces, with a ping between them. */
    const pong = new Promise((done) => c.socket.on('pong', done));
    const history = c.next('history');
    c.socket.send('{"his', { fin: false });
    c.socket.ping('x');
    c.socket.send('tory":5}', { fin: true });
    await Promise.all([pong, history]);
    /* Too large, not text, not UTF-8: each has its code. */
    for (const [send, code] of [
      [(s) => s.send('x'.repeat(70000)), 1009],
      [(s) => s.send(Buffer.from([1, 2])), 1003],
      [(s) => s._sender.send(Buffer.from([0xff, 0xfe]), { binary: false, fin: true, mask: true, compress: false }), 1007],
    ]) {
      const bad = await new Client().begin();
      bad.socket.on('error', () => {});
      send(bad.socket);
      assert((await bad.closed) === code, `closed with ${await bad.closed}, not ${code}`);
    }
    assert(c.socket.readyState === WebSocket.OPEN, 'the others stay');
  },

  /* Bytes that no client sends: unmasked, reserved bits, a length of 2^63; and one in the segment of the upgrade. */
  async malformed() {
    const upgrade = `GET /ws HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Key: ${crypto.randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n\r\n`;
    const raw = (bytes) => new Promise((done) => {
      const s = net.connect(port, hostname, () => s.write(Buffer.concat([Buffer.from(upgrade), Buffer.from(bytes)])));
      const parts = [];
      s.on('data', (d) => parts.push(d));
      s.on('error', () => {});
      s.on('close', () => done(Buffer.concat(parts)));
      s.setTimeout(3000, () => s.destroy());
    });
    for (const bytes of [[0x81, 1, 0x78], [0xf1, 0x80, 0, 0, 0, 0], [0x83, 0x80, 0, 0, 0, 0], [0x80, 0x80, 0, 0, 0, 0],
      [0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], [0x89, 0xfe, 0x10, 0, 0, 0, 0, 0]]) {
      const answer = await raw(bytes);
      assert(answer.toString('latin1').startsWith('HTTP/1.1 101'), answer.toString('latin1'));
    }
    const text = Buffer.from('{"history":5}');
    const same = await raw([0x81, 0x80 | text.length, 0, 0, 0, 0, ...text]);
    assert(same.includes('"type":"history"'), 'a frame in the segment of the upgrade');
  },

  async strangers() {
    const refused = (options, status) => new Promise((done, fail) => {
      const s = new WebSocket(ws + '/ws', options);
      s.on('open', () => fail(new Error('it was let in')));
      s.on('unexpected-response', (_, answer) => (answer.statusCode === status ? done() : fail(new Error(answer.statusCode))));
      s.on('error', () => {});
    });
    await refused({ origin: 'http://evil.example' }, 403);
    await refused({ origin: 'null' }, 403);
    await refused({ headers: { Host: 'evil.example' } }, 421);
    await refused({ protocolVersion: 8 }, 426);
    await new Client('/ws', { origin: url }).begin();
  },

  /* While the rows come to one who reads slowly they beat: he hears of that as all do. */
  async overtaken() {
    const hbs = process.env.DISCO_SPOOL + '/hb/', count = 600;
    for (let i = 0; i < count; i++) {
      fs.writeFileSync(`${hbs}../tmp/o_${i}`, `service=s\nreason=${'r'.repeat(900)}\nmeta.x=${'x'.repeat(9000)}\n`);
      fs.renameSync(`${hbs}../tmp/o_${i}`, `${hbs}o_${i}`);
    }
    const asks = { subscribe: { service: 's' }, every: 0.2 };
    const live = await new Client().begin(asks);
    await until(() => live.rows.size === count, 'all rows');
    const slow = new Client();
    let whole = 0;
    slow.socket.on('message', (data) => { whole += JSON.parse(data).rows?.length ?? 0; });
    slow.socket.once('message', () => slow.socket._socket.pause());
    await slow.begin(asks);
    await until(() => slow.socket._socket.isPaused(), 'the first of them');
    for (let i = 0; i < count; i++) fs.utimesSync(hbs + `o_${i}`, new Date(), new Date());
    await until(() => [...live.rows.values()].every((row) => row.counter === 2), 'they beat');
    slow.socket._socket.resume();
    await until(() => slow.rows.size === count && [...slow.rows.values()].every((row) => row.counter === 2), 'he too knows');
    assert(whole === count, `${whole} whole rows`);
    live.socket.terminate();
    slow.socket.terminate();
  },
  /* A thousand, most of which read, some of which never do. */
  async thousand() {
    for (let i = 0; i < 200; i++) hb('-s', 's', `p_${i}`);
    const clients = [];
    for (let i = 0; i < Number(process.env.CLIENTS ?? 1000); i++) clients.push(new Client());
    await Promise.all(clients.map((c) => c.begin({ subscribe: { service: 's' }, every: 0.5 })));
    await until(() => clients.every((c) => c.rows.size === 200), 'all have all rows');
    const stalled = clients.slice(0, 50), live = clients.slice(50);
    for (const c of stalled) c.socket._socket.pause();
    for (let i = 0; i < 50; i++) hb('-s', 's', '--state', 'error', '--reason', 'r'.repeat(400) + i, `p_${i}`);
    await until(() => live.every((c) => c.last.counts?.error === 50), 'the living hear all');
    for (const c of stalled) c.socket._socket.resume();
    await until(() => stalled.every((c) => [...c.rows.values()].filter((r) => r.state === 'error').length === 50),
      'those who come back too');
    for (const c of clients) c.socket.terminate();
  },

  /* One that never reads costs the server no memory without bound, and begins anew when it reads. */
  async slow() {
    const rss = () => Number(execFileSync('ps', ['-o', 'rss=', '-p', process.env.SERVE]));
    const post = async (state) => {
      let body = '';
      for (let i = 0; i < 100; i++)
        body += JSON.stringify({ process: `p_${i}`, service: 's', state: 'warning', reason: `${state} ${'r'.repeat(2000)}` }) + '\n';
      const answer = await fetch(url + '/v1/heartbeat', { method: 'POST', body });
      assert(answer.status === 204, answer.status);
    };
    await post('first');
    const watch = await new Client().begin();
    await until(() => watch.rows.size >= 100, 'the rows');
    const slow = await new Client().begin();
    await until(() => slow.rows.size >= 100, 'the rows');
    slow.socket._socket.pause();
    const before = rss();
    for (let i = 0; i < 160; i++) {
      await post(i);
      await until(() => watch.rows.get('p_99')?.reason.startsWith(`${i} `), `round ${i}`);
    }
    assert(process.env.DISCO_SANITIZED || rss() - before < 30000, `it grew by ${rss() - before} kB of 40000 sent and more`);
    const keyframes = slow.keyframes;
    slow.socket._socket.resume();
    await until(() => slow.rows.get('p_99')?.reason.startsWith('159 '), 'it has the newest');
    assert(slow.keyframes > keyframes, 'by a new keyframe');
    assert(watch.keyframes === 1, 'the other needed none');
  },

  /* Who asks and asks and does not read is not heard any more. */
  async flood() {
    const rss = () => Number(execFileSync('ps', ['-o', 'rss=', '-p', process.env.SERVE]));
    hb('one');
    const c = await new Client().begin();
    await until(() => c.rows.has('one'), 'one');
    const before = rss();
    c.socket._socket.pause();
    const names = JSON.stringify({ strips: Array(400).fill('one') });
    for (let i = 0; i < 500; i++) c.say(names);
    const other = await new Client().begin();
    await until(() => other.rows.has('one'), 'the other is served');
    assert(process.env.DISCO_SANITIZED || rss() - before < 20000, `it grew by ${rss() - before} kB`);
    c.socket.terminate();
  },

  /* Many are forgotten together, more than the kept changes have room for. */
  async forgotten() {
    let body = '';
    for (let i = 0; i < 1500; i++)
      body += JSON.stringify({ process: `p_${i}`, service: 's', state: 'inactive',
        meta: { k: 'v'.repeat(12000) } }) + '\n';
    for (let i = 0; i < body.length; i += body.length / 6) {
      const part = body.slice(body.lastIndexOf('\n', i) + 1, body.lastIndexOf('\n', i + body.length / 6) + 1);
      assert((await fetch(url + '/v1/heartbeat', { method: 'POST', body: part })).status === 204, 'delivered');
    }
    const c = await new Client().begin({ subscribe: { service: 's' } });
    await until(() => c.rows.size === 1500, 'the rows');
    await until(() => c.rows.size === 0, 'they are gone');
  },

  /* All in one segment: it is cut off, and nobody waits for it. */
  async greedy() {
    const rss = () => Number(execFileSync('ps', ['-o', 'rss=', '-p', process.env.SERVE]));
    let body = '';
    for (let i = 0; i < 3000; i++) body += JSON.stringify({ process: `p_${i}`, reason: 'r'.repeat(500), state: 'warning' }) + '\n';
    await fetch(url + '/v1/heartbeat', { method: 'POST', body });
    const watch = await new Client().begin();
    await until(() => watch.rows.size >= 3000, 'the rows');
    const before = rss();
    const greedy = new Client();
    await greedy.open;
    greedy.socket._socket.pause();
    greedy.socket._socket.cork();
    for (let i = 0; i < 200; i++) greedy.say({ history: 9999 });
    greedy.socket._socket.uncork();
    const other = await new Client().begin();
    await until(() => other.rows.size >= 3000, 'the other is served');
    assert(process.env.DISCO_SANITIZED || rss() - before < 60000, `it grew by ${rss() - before} kB`);
  },

  /* Procedures: called, and watched. */
  async procs() {
    const c = await new Client().begin({ call: 'names', id: { a: [1] } });
    const names = await c.next('proc');
    assert(names.proc === 'names' && names.id.a[0] === 1 && names.contentType === 'text/plain', JSON.stringify(names));
    assert(names.result.endsWith('gw_1\nrdb_1\nrdb_2\n') && !('args' in names), names.result);
    const call = async (message, type = 'proc') => {
      const answer = c.next(type);
      c.say(message);
      return answer;
    };
    const services = (await call({ call: 'by-service' })).result;
    assert(services.find((s) => s.service === 'rdb').active === 2, JSON.stringify(services));
    assert(JSON.stringify((await call({ call: 'echo', args: { a: '"\u00e9' } })).result) === '{"a":"\\"\u00e9","b":null}', 'arguments');
    assert((await call({ call: 'many' })).result.join() === '0,1,2', 'several results');
    for (const [bad, words] of [[{ call: 1 }, 'the name'], [{ call: 'nosuch', id: 7 }, 'no such procedure'],
      [{ call: '../x' }, 'no such procedure'], [{ call: 'fails' }, 'fails: it says why'], [{ call: 'bad' }, 'not defined'],
      [{ call: 'echo' }, 'a is missing'], [{ call: 'echo', args: { a: 1 } }, 'is a string'], [{ call: 'echo', args: [] }, 'object'],
      [{ call: 'names', id: 'x'.repeat(2000) }, 'id'], [{ subscribe: { proc: 1 } }, 'write'],
      [{ subscribe: { proc: 'names', more: 1 } }, 'write'], [{ unsubscribe: [1] }, 'write'], [{ subscribe: { proc: 'nosuch' } }, 'no such procedure'],
      [{ subscribe: { proc: 'names' }, every: 0 }, 'every'], [{ unsubscribe: { proc: 'names' } }, 'not subscribed']]) {
      const error = await call(bad, 'error');
      assert(error.error.includes(words), JSON.stringify([bad, error]));
      if (bad.id === 7) assert(error.id === 7, 'the id of an error');
    }

    /* A row subscription stays beside it; beats alone change nothing. */
    const got = [];
    c.socket.on('message', (data) => {
      const m = JSON.parse(data);
      if (m.type === 'proc') got.push(m);
    });
    const other = await new Client().begin({ subscribe: { proc: 'names' } });
    let heard = 0;
    other.socket.on('message', (data) => (heard += JSON.parse(data).type === 'proc'));
    c.say({ subscribe: {}, every: 0.2 });
    c.say({ subscribe: { proc: 'names' }, id: 'n' });
    c.say({ subscribe: { proc: 'haproxy', args: { service: 'rdb' } } });
    await until(() => c.keyframes > 0 && got.length === 2 && heard === 1, 'the first answers');
    assert(got.some((m) => m.id === 'n' && m.proc === 'names'), 'the id');
    assert(got.some((m) => m.args.service === 'rdb'), 'the arguments');
    for (let i = 0; i < 3; i++) {
      hb('-s', 'rdb', '-a', '10.0.0.1:5011', 'rdb_2');
      const beats = c.rows.get('rdb_2').counter;
      await until(() => c.rows.get('rdb_2').counter > beats, 'the beat');
      await sleep(1100);
    }
    assert(got.length === 2 && heard === 1, 'beats are no news');
    hb('-s', 'new', 'zzz');
    await until(() => got.length === 3 && heard === 2, 'a row more');
    assert(got[2].proc === 'names' && got[2].result.endsWith('zzz\n'), got[2].result);
    c.say({ unsubscribe: { proc: 'names', args: {} } });
    hb('-s', 'new', 'zzzz');
    await until(() => heard === 3 && c.rows.has('zzzz'), 'the other hears of it');
    hb('-s', 'rdb', '-a', '10.0.0.1:5012', 'rdb_3');
    await until(() => got.length === 4, 'the other subscription');
    assert(got[3].proc === 'haproxy' && got[3].result.includes('rdb_3'), JSON.stringify(got[3]));

    /* What depends on time is told as time goes. */
    const late = await new Client().begin({ subscribe: { proc: 'late' }, every: 0.2 });
    let times = 0;
    late.socket.on('message', (data) => (times += JSON.parse(data).type === 'proc'));
    await until(() => times >= 3, 'late, again and again');

    /* Not more than four. */
    const errors = [];
    other.socket.on('message', (data) => {
      const m = JSON.parse(data);
      if (m.type === 'error') errors.push(m.error);
    });
    for (const service of ['a', 'b', 'c', 'd']) other.say({ subscribe: { proc: 'addresses', args: { service } } });
    await until(() => errors.length === 1, 'the fifth');
    assert(errors[0].includes('more than 4'), errors[0]);

    /* Without a master there is no answer. */
    process.kill(Number(process.env.MASTER), 'SIGKILL');
    await until(() => late.last.error?.includes('no master runs'), 'the watch is told');
    assert((await call({ call: 'names', id: 9 }, 'error')).id === 9, 'and whoever calls');
  },

  async proctokens() {
    const as = (who) => new Client('/ws', { headers: { Authorization: `Bearer ${who}` } });
    const alice = await as('alice').begin({ call: 'names' });
    assert((await alice.next('proc')).result === 'rdb_1\nrdb_2\n', 'what alice sees');
    alice.say({ call: 'summary' });
    assert((await alice.next('error')).error.includes('may not call'), 'not summary');
    const carol = await as('carol').begin({ call: 'names' });
    assert((await carol.next('error')).error.includes('may not call'), 'not carol');
    const dan = await as('dan').begin({ call: 'names2' });
    assert((await dan.next('proc')).result === 0, 'one who may read nothing');
    dan.say({ subscribe: {} });
    assert((await dan.next('error')).error.includes('may read nothing'), 'nothing else');
    const watching = alice.next('proc');
    alice.say({ subscribe: { proc: 'names' } });
    await watching;
    const tokens = `${process.env.BATS_TEST_TMPDIR}/tokens`;
    const fs = require('fs');
    fs.writeFileSync(tokens, fs.readFileSync(tokens, 'utf8').replace(/^alice.*\n/m, ''));
    process.kill(Number(process.env.SERVE), 'SIGHUP');
    assert((await alice.closed) === 1008, `closed with ${await alice.closed}`);
    dan.say({ call: 'names2' });
    assert((await dan.next('proc')).result === 0, 'the others stay');
  },

  /* The server's end is said. */
  async end() {
    const c = await new Client().begin();
    await until(() => c.keyframes === 1, 'the keyframe');
    process.kill(Number(process.env.SERVE), 'SIGTERM');
    assert((await c.closed) === 1001, `closed with ${await c.closed}`);
  },

  /* The master goes, and comes with another log. */
  async master() {
    hb('one');
    const c = await new Client().begin();
    await until(() => c.rows.has('one'), 'one');
    process.kill(Number(process.env.MASTER), 'SIGKILL');
    await until(() => c.last.master === 'gone', 'the master is gone');
  },
};

scenes[process.argv[3]]()
  .then(() => process.exit(0))
  .catch((e) => {
    console.error(e);
    process.exit(1);
  });
