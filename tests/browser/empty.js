// Nobody ever came: the page shows how to send the first heartbeat, and then its row.
import { test, row, sh, assert, URL_ } from './world.js';

await test(async (page) => {
  // The server's own heartbeat is a row like others, so only foreign ones are asked for.
  await page.route('**/*', (route) => route.continue());
  await page.routeWebSocket(/\/ws$/, (ws) => {
    const server = ws.connectToServer();
    server.onMessage((text) => {
      const message = JSON.parse(text);
      if (message.rows) message.rows = message.rows.filter((r) => r.service !== 'disco-serve');
      if (message.events) message.events = message.events.filter((e) => e.service !== 'disco-serve');
      ws.send(JSON.stringify(message));
    });
  });
  await page.goto(URL_);
  await page.getByText('No process has sent a heartbeat yet').waitFor();
  const command = await page.locator('#blank code').first().textContent();
  assert.ok(command.includes(`${URL_}/v1/heartbeat`), command);
  sh('sh', '-c', command);
  await row(page, 'hello').waitFor();
});
