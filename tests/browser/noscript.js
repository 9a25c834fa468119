// Without JavaScript the page says so, and nothing else is there to look broken.
import { test, assert, URL_ } from './world.js';

await test(async (_, context) => {
  const page = await (await context.browser().newContext({ javaScriptEnabled: false })).newPage();
  await page.goto(URL_);
  // What stands in noscript is not found by its text.
  await page.locator('noscript p').first().waitFor();
  for (const part of ['header', 'main', '.menu', 'dialog'])
    assert.equal(await page.locator(part).first().isVisible(), false, part);
  await page.locator('noscript a').click();
  assert.match(await page.content(), /"process"/);
});
