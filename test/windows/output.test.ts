import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { agentService, freePort, installedAgent, logIn, password, servingProcess } from './support/agent.ts';
import { madePackages } from './support/packages.ts';
import { eventually, Wine } from './support/wine.ts';

const { old: made } = madePackages();
const logs = String.raw`C:\ProgramData\Tidemark Agent\logs`;
const mib = 1024 * 1024;

test('what the service prints does not grow without end: it is put aside when it is large, and old ones go, also while the agent cannot start', async (t) => {
  await using wine = await Wine.create();
  const port = await freePort();
  wine.copyIn(made.folder, String.raw`C:\unpacked`);
  const node = String.raw`C:\unpacked\node.exe`;
  const script = String.raw`C:\unpacked\server\tidemark.js`;
  await wine.mustRun(node, [script, 'sim', 'init', String.raw`C:\host`, '--name', 'HV01']);
  wine.write(String.raw`C:\pw.txt`, `${password}\r\n`);
  const trial = ['--provider', 'simulated', '--root', String.raw`C:\host`, '--port', String(port)];
  await wine.mustRun(node, [script, 'agent', 'install', '--password-file', String.raw`C:\pw.txt`, ...trial]);
  const folder = wine.path(logs);
  const putAside = (): readonly string[] => readdirSync(folder).filter((name) => /^service-.+\.log$/.test(name));
  const makeLarge = (): void => writeFileSync(join(folder, 'service.log'), 'x'.repeat(2 * mib));
  const small = (): true | undefined =>
    existsSync(join(folder, 'service.log')) && statSync(join(folder, 'service.log')).size < mib ? true : undefined;

  const endProcess = async (): Promise<void> => {
    await wine.run('taskkill', ['/f', '/pid', String(servingProcess(wine))]);
  };

  await t.test('each start of the program begins a new file, and two old ones stay', async () => {
    for (let round = 0; round < 3; round++) {
      const ended = servingProcess(wine);
      makeLarge();
      await endProcess();
      await eventually('the program is started again', () => (servingProcess(wine) === ended ? undefined : true));
      await eventually('the large file is put aside', small);
    }
    const agent = await installedAgent(wine, port);
    await eventually('the agent answers', async () => logIn(agent).catch(() => undefined));
    assert.equal(putAside().length, 2, String(readdirSync(folder)));
  });

  await t.test('old ones go also when the configuration cannot be read', async () => {
    for (const day of ['01', '02', '03', '04']) writeFileSync(join(folder, `service-202601${day}T000000.000.log`), 'x');
    wine.write(String.raw`C:\ProgramData\Tidemark Agent\config.json`, '{');
    await endProcess();
    await eventually('old files are removed', () => (putAside().length === 2 ? true : undefined));
    assert.ok(!putAside().some((name) => name.includes('202601')), 'the oldest went');
    await wine.run('sc', ['stop', agentService]);
  });
});
