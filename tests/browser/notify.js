// Notifications: asked for by a click only, none while one looks, one for many.
import { test, row, post, until, assert, URL_ } from './world.js';

await test(async (page) => {
  await page.addInitScript(() => {
    window.told = [];
    window.asked = 0;
    window.Notification = class {
      static permission = 'default';
      static async requestPermission() {
        window.asked++;
        return 'granted';
      }
      constructor(title, { body }) {
        window.told.push(`${title} | ${body}`);
      }
    };
    document.hasFocus = () => window.looks ?? false;
  });
  const many = (state, reason) =>
    post(
      Array.from({ length: 14 }, (_, i) => ({
        process: `p${i}`,
        service: `s${i}`,
        host: 'ldn3',
        state,
        reason,
      })),
    );
  await page.goto(URL_);
  await many('active');
  await row(page, 'p13').waitFor();
  assert.equal(await page.evaluate(() => window.asked), 0);
  await page.locator('[popovertarget=options]').click();
  await page.getByText('notify me of errors').click();
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => window.asked), 1);
  await many('error', 'power lost');
  await until(() => page.evaluate(() => window.told.length > 0), 'a notification');
  await post([{ process: 'p3', host: 'ldn3', state: 'active' }]);
  await row(page, 'p3').locator('.c-state', { hasText: 'active' }).waitFor();
  await post([{ process: 'p3', host: 'ldn3', state: 'error', reason: 'again' }]);
  await until(() => page.evaluate(() => window.told.length > 1), 'another notification');
  assert.match(
    (await page.evaluate(() => window.told)).join('\n'),
    /^\d+ processes of host ldn3: error \| p.*\np3: error \| again$/,
  );
});
