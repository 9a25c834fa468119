// Rows appear by themselves, change and go; the empty page says how to begin.
import { test, row, until, sh, post, assert, URL_ } from './world.js';

await test(async (page) => {
  await page.goto(`${URL_}/?service=rdb`);
  await page.getByText('Nothing matches').waitFor();
  sh('disco-hb', '-s', 'rdb', '-a', '127.0.0.1:9090', 'fx_rdb');
  await row(page, 'fx_rdb').waitFor();
  await page.goto(URL_);
  await row(page, 'fx_rdb').locator('.c-address', { hasText: '127.0.0.1:9090' }).waitFor();
  await post([{ process: 'other', service: 'x', state: 'error', reason: 'disk full' }]);
  await row(page, 'other').locator('.c-reason', { hasText: 'disk full' }).waitFor();
  assert.match(await row(page, 'other').getAttribute('class'), /in-error/);
  await until(async () => /^■ 1 · disco$/.test(await page.title()), 'the title to tell of the error');
  await until(
    async () => (await page.locator('#polite').textContent()).includes('other: error, disk full'),
    'the live line',
  );
  sh('disco-hb', '--leave', 'other');
  await row(page, 'other').locator('.c-state', { hasText: 'inactive' }).waitFor();
});
