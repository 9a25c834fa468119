// The drawer: its address, its sentences, its events, its commands; Esc closes it.
import { test, row, beat, post, until, assert, URL_ } from './world.js';

await test(
  async (page) => {
    beat('fx_rdb', '-s', 'rdb', '-a', '10.0.0.7:9090', '-m', 'zone=west');
    await page.goto(URL_);
    await row(page, 'fx_rdb').locator('.c-process').click();
    const drawer = page.locator('#drawer');
    await drawer
      .getByText(/Without a beat it turns warning in \d+ s, at .*; turns error in .*; is forgotten in/)
      .waitFor();
    assert.match(page.url(), /\?process=fx_rdb$/);
    await drawer.locator('dd', { hasText: 'west' }).waitFor();
    await drawer.locator('code', { hasText: `disco-ls -u ${URL_} --why fx_rdb` }).waitFor();
    await drawer.locator('#drawer-events li', { hasText: 'joined as' }).waitFor();
    await drawer.getByText(/Seen by this page since/).waitFor();
    await until(() => drawer.locator('#intervals canvas').count(), 'the plot');
    await post([{ process: 'job', state: 'error', reason: 'exit status 3' }]);
    await page.goto(`${URL_}/?process=job`);
    await drawer.getByText('exit status 3').first().waitFor();
    await drawer.getByText('A mere beat does not end this').waitFor();
    await page.keyboard.press('Escape');
    await drawer.waitFor({ state: 'hidden' });
    await page.goBack();
    await drawer.waitFor();
    await page.goto(`${URL_}/?process=nobody`);
    await drawer.getByText('No such process is known').waitFor();
    // What the page does not have does not stay in its address.
    await page.goto(`${URL_}/?view=nonsense&process=job`);
    await drawer.getByText('exit status 3').first().waitFor();
    assert.match(page.url(), /\/\?process=job$/);
  },
);
