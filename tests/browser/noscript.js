// Without JavaScript the page says so, and nothing else is there to look broken.
import { test, assert, URL_ } from './world.js';

await test(async (_, context) => {
  const page = await (await context.browser().newContext({ javaScriptEnabled: false })).newPage();
  await page.goto(URL_);
  await page.getByText('which this browser does not run').waitFor();
  for (const part of ['header', 'main', '.menu', 'dialog'])
    assert.equal(await page.locator(part).first().isVisible(), false, part);
  await page.getByRole('link', { name: 'the rows as JSON' }).click();
  await page.getByText('"process"').waitFor();
});
