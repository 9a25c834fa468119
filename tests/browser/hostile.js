// What a process says of itself is text, wherever it is shown.
import { test, row, post, assert, URL_ } from './world.js';

const HTML = '<img src=x onerror=alert(1)>';
await test(async (page) => {
  await post([
    {
      process: 'evil',
      service: HTML,
      host: HTML,
      address: HTML.replaceAll(' ', ''),
      state: 'error',
      reason: HTML,
      version: HTML,
      meta: { k: HTML },
    },
    { process: 'n'.repeat(128), service: 'long' },
  ]);
  await page.goto(`${URL_}/?process=evil&group=service`);
  await row(page, 'evil').locator('.c-service', { hasText: HTML }).waitFor();
  await page.locator('#drawer .lead', { hasText: HTML }).waitFor();
  await page.locator('#services-button').click();
  await page.locator('#service-list label', { hasText: HTML }).waitFor();
  await page.keyboard.press('Escape');
  for (const view of ['map', 'events']) await page.locator(`#to-${view}`).click();
  await page.locator('#event-list li', { hasText: HTML }).waitFor();
  await page.goto(`${URL_}/?q=${encodeURIComponent(HTML)}&state=warning`);
  await page.getByText(`the search “${HTML}” hides`).waitFor();
  assert.equal(await page.locator('img').count(), 0);
});
