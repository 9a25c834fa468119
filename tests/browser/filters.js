// States, search and services filter; the address holds it, back and forward work, and
// a page opened at that address shows the same.
import { test, names, post, until, assert, URL_ } from './world.js';

await test(async (page, context) => {
  await post([
    { process: 'a1', service: 'rdb', host: 'ldn1', state: 'error', reason: 'disk full' },
    { process: 'a2', service: 'rdb', host: 'ldn2', meta: { zone: 'west' } },
    { process: 'b1', service: 'hdb', host: 'ldn1' },
    { process: 'b_1', service: 'hdb*', host: 'ldn1' },
  ]);
  const shows = (...wanted) =>
    until(async () => String((await names(page)).sort()) === String(wanted.sort()), `rows ${wanted}`);
  const own = (await (await fetch(`${URL_}/v1/table?service=disco-serve`)).json()).map((r) => r.process);
  await page.goto(URL_);
  await shows('a1', 'a2', 'b1', 'b_1', ...own);

  await page.locator('.chip.error').click();
  await shows('a1');
  assert.match(page.url(), /\?state=error$/);
  await page.goBack();
  await shows('a1', 'a2', 'b1', 'b_1', ...own);
  await page.goForward();
  await shows('a1');
  await page.goBack();

  for (const [text, ...found] of [
    ['west', 'a2'],
    ['ldn1 hdb', 'b1', 'b_1'],
    ['DISK', 'a1'],
  ]) {
    await page.locator('#search').fill(text);
    await shows(...found);
  }
  assert.match(page.url(), /\?q=DISK$/);
  await page.locator('.chip.warning').click();
  await page.getByText('the state warning hides').waitFor();
  await page.getByText('the search “DISK” hides').waitFor();
  await page.locator('#blank li', { hasText: 'the state' }).getByRole('button').click();
  await shows('a1');
  await page.locator('#search').fill('');

  // The server sends only what is chosen, and a service that looks like a pattern is none.
  const sent = [];
  page.on('websocket', (ws) => ws.on('framereceived', ({ payload }) => sent.push(String(payload))));
  await page.goto(`${URL_}/?service=${encodeURIComponent('hdb*')}`);
  await shows('b_1');
  assert.ok(
    sent.some((text) => text.includes('"b_1"')) &&
      !sent.some((text) => text.includes('"process":"a1"') && text.includes('"type":"rows"')),
  );
  await page.locator('#services-button').click();
  await page.locator('#service-list label', { hasText: 'rdb' }).locator('input').check();
  await shows('a1', 'a2', 'b_1');
  await page.keyboard.press('Escape');

  await page.locator('#group').selectOption('host');
  await page.locator('#grid .group', { hasText: 'ldn2' }).waitFor();
  await page.locator('#grid .group', { hasText: 'ldn1' }).click();
  await shows('a2');
  await page.locator('.slick-header-column[data-id=process]').click();
  const other = await context.newPage();
  await other.goto(page.url());
  await until(async () => (await names(other)).length === 3, 'the same rows in another page');
  assert.match(
    await other.locator('.slick-header-column[data-id=process]').getAttribute('aria-sort'),
    /ascending/,
  );
});
