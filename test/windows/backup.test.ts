import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { restorePointInfo } from '../../server/protocol/model.ts';
import { array, json, object } from '../../server/protocol/parse.ts';
import { skipWithoutDotnet, publishForWindows } from '../support/hyperv/pwsh.ts';
import { startVmms } from '../support/hyperv/vmms/index.ts';
import { agentService, freePort, installedAgent, logIn, password } from './support/agent.ts';
import { madePackages, workFolder } from './support/packages.ts';
import { eventually, Wine } from './support/wine.ts';

const { old: made } = madePackages();

/** Runs the command of the package with Node of this computer: a daemon on Linux, as a backup server is. */
async function tidemark(...args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [join(made.folder, 'server/tidemark.js'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += String(data)));
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal(code, 0, `tidemark ${args.join(' ')}: ${output}`);
  return output;
}

/** Wine's own powershell.exe does nothing: nssm gives the service an environment that names the test's. */
async function useTestPowerShell(wine: Wine, address: string): Promise<void> {
  const key = String.raw`HKLM\SYSTEM\CurrentControlSet\Services\TidemarkAgent\Parameters`;
  // The garbage collector of .NET 10 dies under Wine 8 when it frees methods made at run time: with so much room (hex, bytes) it has nothing to do.
  const room = 'DOTNET_GCgen0size=40000000';
  const variables = String.raw`NODE_POWERSHELL=C:\pwsh\pwsh.exe\0TIDEMARK_FAKE_HYPERV=${address}\0${room}`;
  await wine.mustRun('reg', ['add', key, '/v', 'AppEnvironmentExtra', '/t', 'REG_MULTI_SZ', '/d', variables, '/f']);
  await eventually('the service stops', async () => {
    await wine.run('sc', ['stop', agentService]);
    return (await wine.serviceState(agentService)) === 'STOPPED' ? true : undefined;
  });
  await wine.mustRun('sc', ['start', agentService]);
}

const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

test('the installed service backs a VM up through PowerShell, in full and by changes, and it is restored byte for byte', async (t) => {
  if (skipWithoutDotnet(t)) return;
  const folder = mkdtempSync(join(workFolder(), 'backup-'));
  const at = (name: string): string => join(folder, name);
  const host = at('hv01');
  writeFileSync(at('pw.txt'), `${password}\n`);
  writeFileSync(at('repo.txt'), 'a password of the repository\n');
  await tidemark('sim', 'init', host, '--name', 'hv01');
  await tidemark('sim', 'create-vm', host, 'web', '--disk', 'os=16MiB', '--disk', 'data=8MiB');
  await tidemark('sim', 'load', host, 'web', 'os', '--percent', '20', '--seed', '1');
  await using vmms = await startVmms(host, { paths: 'wine' });
  await using wine = await Wine.create();
  wine.copyIn(await publishForWindows(), String.raw`C:\pwsh`);
  wine.copyIn(made.folder, String.raw`C:\unpacked`);
  wine.write(String.raw`C:\pw.txt`, `${password}\r\n`);
  const port = await freePort();
  const install = ['agent', 'install', '--password-file', String.raw`C:\pw.txt`, '--port', String(port)];
  await wine.mustRun(String.raw`C:\unpacked\node.exe`, [String.raw`C:\unpacked\server\tidemark.js`, ...install]);
  const agent = await installedAgent(wine, port);
  await useTestPowerShell(wine, vmms.address);
  const found = await eventually('PowerShell answers', async () => logIn(agent).catch(() => undefined));
  assert.equal(found.provider, 'hyperv');

  const daemon = ['--data', at('daemon')];
  try {
    await tidemark('host', 'add', 'hv01', agent.url, '--password-file', at('pw.txt'), ...daemon);
    await tidemark('repo', 'init', 'main', at('repository'), '--password-file', at('repo.txt'), ...daemon);
    const images: string[] = [];
    for (const type of ['full', 'incremental']) {
      await tidemark('sim', 'load', host, 'web', 'data', '--percent', '10', '--seed', String(images.length));
      const image = at(`${type}.raw`);
      await tidemark('sim', 'raw', host, 'web', 'data', image);
      images.push(image);
      await tidemark('backup', 'run', '--vm', 'hv01/web', '--repo', 'main', '--type', type, '--wait', ...daemon);
    }
    const list = await tidemark('restore-point', 'list', '--json', ...daemon);
    const { restorePoints: byAge } = json(
      list,
      object({ restorePoints: array(restorePointInfo) }),
      'restore-point list',
    );
    assert.equal(byAge.length, 2);
    const sorted = byAge.toSorted((a, b) => (a.createdAt < b.createdAt ? -1 : 1));
    assert.deepEqual(
      sorted.map(({ type }) => type),
      ['full', 'incremental'],
    );
    for (const [index, { id }] of sorted.entries()) {
      const restored = at(`restored-${index}.raw`);
      await tidemark('restore', 'disk', id, 'data', '--to', restored, '--format', 'raw', ...daemon);
      assert.equal(sha256(restored), sha256(images[index] ?? ''), `restore point ${index}`);
    }
    assert.deepEqual(
      vmms.leftovers().filter(({ kind }) => kind === 'snapshot'),
      [],
      'no checkpoint is left',
    );
  } finally {
    await tidemark('daemon', 'stop', '--cancel-runs', ...daemon);
  }
});
