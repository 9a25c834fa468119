// Behind TLS and tokens: the browser's own dialog lets one in, its WebSocket too, and the page has
// the rows and counts of that token alone.
import { test, row, live, until, names, sh, assert, URL_ } from './world.js';

const options = { ignoreHTTPSErrors: true, expected: /ERR_CERT|401/ };

await test(async (page) => {
  const answer = await page.goto(URL_).catch((error) => error);
  assert.match(String(answer.status?.() ?? answer), /401|ERR_INVALID_AUTH_CREDENTIALS/);
}, options);

await test(
  async (page) => {
    await page.goto(URL_);
    await live(page);
    await row(page, 'web_1').waitFor();
    assert.deepEqual(await names(page), ['web_1']);
    assert.match(await page.locator('.chip.active').textContent(), /1/);
    sh('disco-hb', '-s', 'db', '--state', 'error', 'db_1');
    sh('disco-hb', '-s', 'web', '--state', 'warning', '--reason', 'slow', 'web_1');
    await row(page, 'web_1').locator('.c-state', { hasText: 'warning' }).waitFor();
    await until(async () => /disco/.test(await page.title()));
    assert.doesNotMatch(await page.content(), /db_1/);
    await page.goto(`${URL_}/?process=web_1`);
    await page.getByText('slow').first().waitFor();
  },
  { ...options, httpCredentials: { username: 'me', password: 'a-secret' } },
);
