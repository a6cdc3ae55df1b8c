import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { test } from 'node:test';

import { freePort, installedAgent, logIn, password } from './support/agent.ts';
import { madePackages } from './support/packages.ts';
import { Wine } from './support/wine.ts';

const { old: made } = madePackages();
const dataPath = String.raw`C:\ProgramData\Tidemark Agent`;
const trial = String.raw`C:\host`;
const msi = String.raw`C:\agent.msi`;
const theirs = 'a password of somebody else';

test('who repairs the MSI, as Windows lets every user do, changes nothing of the agent and removes no file', async () => {
  await using wine = await Wine.create();
  const port = await freePort();
  wine.copyIn(made.folder, String.raw`C:\tools`);
  wine.copyIn(made.msi, msi);
  await wine.mustRun(String.raw`C:\tools\node.exe`, [
    String.raw`C:\tools\server\tidemark.js`,
    'sim',
    'init',
    trial,
    '--name',
    'HV01',
  ]);
  wine.write(String.raw`C:\secret\pw.txt`, `${password}\r\n`);
  const settings = ['PROVIDER=simulated', `ROOT=${trial}`, `PORT=${port}`];
  const install = await wine.run('msiexec', ['/i', msi, '/qn', String.raw`PASSWORDFILE=C:\secret\pw.txt`, ...settings]);
  assert.equal(install.code, 0, install.output);
  const before = await installedAgent(wine, port);
  const config = readFileSync(wine.path(String.raw`${dataPath}\config.json`), 'utf8');

  const missing = wine.path(String.raw`C:\Program Files\Tidemark Agent\README.txt`);
  rmSync(missing);
  wine.write(String.raw`C:\eve\pw.txt`, `${theirs}\r\n`);
  const hostile = ['PORT=1', String.raw`DATAFOLDER=C:\eve\data`, String.raw`INSTALLFOLDER=C:\eve\program`];
  const repaired = await wine.run('msiexec', [
    '/i',
    msi,
    '/qn',
    'REINSTALL=ALL',
    'REINSTALLMODE=amus',
    String.raw`PASSWORDFILE=C:\eve\pw.txt`,
    'REMOVEPASSWORDFILE=1',
    ...hostile,
  ]);
  assert.equal(repaired.code, 0, repaired.output);
  assert.ok(existsSync(missing), 'it was a repair');
  const agent = await installedAgent(wine, port);
  assert.equal(agent.certificateSha256, before.certificateSha256);
  assert.equal((await logIn(agent)).name, 'HV01');
  await assert.rejects(logIn(agent, theirs), { code: 'TM2002' });
  assert.equal(readFileSync(wine.path(String.raw`${dataPath}\config.json`), 'utf8'), config);
  assert.ok(existsSync(wine.path(String.raw`C:\eve\pw.txt`)));
  for (const path of [String.raw`C:\eve\data`, String.raw`C:\eve\program`]) {
    assert.ok(!existsSync(wine.path(path)), path);
  }
  const parameters = await wine.mustRun('reg', [
    'query',
    String.raw`HKLM\SYSTEM\CurrentControlSet\Services\TidemarkAgent\Parameters`,
    '/v',
    'AppParameters',
  ]);
  assert.ok(parameters.includes(String.raw`${dataPath}\config.json`), parameters);
  assert.ok(!parameters.includes(String.raw`C:\eve`), parameters);
});
