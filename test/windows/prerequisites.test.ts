import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { after, before, test } from 'node:test';

import { agentService, freePort, password } from './support/agent.ts';
import { madePackages } from './support/packages.ts';
import { registryRemains } from './support/remains.ts';
import { Wine } from './support/wine.ts';
import type { WineResult } from './support/wine.ts';

const { old: made } = madePackages();
const folders = [
  String.raw`C:\Program Files\Tidemark Agent`,
  String.raw`C:\Program Files\Tidemark Agent.new`,
  String.raw`C:\Program Files\Tidemark Agent.old`,
  String.raw`C:\ProgramData\Tidemark Agent`,
];
let wine: Wine;

before(async () => {
  wine = await Wine.create();
  wine.copyIn(made.folder, String.raw`C:\unpacked`);
  wine.copyIn(made.msi, String.raw`C:\agent.msi`);
  wine.write(String.raw`C:\pw.txt`, `${password}\r\n`);
});
after(async () => wine[Symbol.asyncDispose]());

/** What is not there, or too old: a value of the registry, and how it is again. */
interface Lack {
  readonly name: string;
  readonly key: string;
  readonly value: string;
  readonly type: 'REG_SZ' | 'REG_DWORD';
  readonly good: string;
  /** Another value; without it there is none. */
  readonly bad?: string;
  readonly says: RegExp;
}

const lacks: readonly Lack[] = [
  {
    name: 'the Hyper-V role',
    key: String.raw`HKLM\SYSTEM\CurrentControlSet\Services\vmms`,
    value: 'ImagePath',
    type: 'REG_SZ',
    good: String.raw`C:\Windows\system32\vmms.exe`,
    says: /The Hyper-V role is not installed\./,
  },
  {
    name: '.NET Framework 4.7.2',
    key: String.raw`HKLM\SOFTWARE\Microsoft\NET Framework Setup\NDP\v4\Full`,
    value: 'Release',
    type: 'REG_DWORD',
    good: '528376',
    bad: '461807',
    says: /The \.NET Framework is (?:missing, or )?older than 4\.7\.2\./,
  },
  {
    name: 'PowerShell 5.1',
    key: String.raw`HKLM\SOFTWARE\Microsoft\PowerShell\3\PowerShellEngine`,
    value: 'PowerShellVersion',
    type: 'REG_SZ',
    good: '5.1.20348.1',
    bad: '5.0.10586.117',
    says: /Windows PowerShell (?:5\.0\.10586\.117 is too old|is missing, or older than 5\.1)\./,
  },
];

async function without(lack: Lack, work: () => Promise<void>): Promise<void> {
  // The whole key of Hyper-V is its absence.
  const { key, value, type, good, bad } = lack;
  if (bad === undefined) await wine.mustRun('reg', ['delete', key, '/f']);
  else await wine.mustRun('reg', ['add', key, '/v', value, '/t', type, '/d', bad, '/f']);
  try {
    await work();
  } finally {
    await wine.mustRun('reg', ['add', key, '/v', value, '/t', type, '/d', good, '/f']);
  }
}

async function assertNothingIsLeft(): Promise<void> {
  for (const folder of folders) assert.ok(!existsSync(wine.path(folder)), folder);
  assert.equal(await wine.serviceState(agentService), undefined);
  assert.deepEqual(await registryRemains(wine), []);
  assert.ok(existsSync(wine.path(String.raw`C:\pw.txt`)), 'the password file was not asked for');
}

const fromZip = async (...more: readonly string[]): Promise<WineResult> =>
  wine.run(String.raw`C:\unpacked\node.exe`, [
    String.raw`C:\unpacked\server\tidemark.js`,
    'agent',
    'install',
    '--password-file',
    String.raw`C:\pw.txt`,
    ...more,
  ]);

for (const lack of lacks) {
  test(`without ${lack.name} the zip refuses in words, and nothing is left`, async () => {
    await without(lack, async () => {
      const { code, output } = await fromZip('--port', String(await freePort()));
      assert.equal(code, 2, output);
      assert.match(output, lack.says);
      await assertNothingIsLeft();
    });
  });

  test(`without ${lack.name} the MSI ends before it changes anything`, async () => {
    await without(lack, async () => {
      const log = String.raw`C:\msi.log`;
      const options = ['/qn', '/l*v', log, String.raw`PASSWORDFILE=C:\pw.txt`];
      const { code } = await wine.run('msiexec', ['/i', String.raw`C:\agent.msi`, ...options]);
      assert.notEqual(code, 0);
      const told = wine.read(log);
      // Wine writes no messages of conditions; they are judged in test/unit/agent/msi.test.ts.
      assert.match(told, /Action ended [^\n]*LaunchConditions\. Return value 0/);
      assert.doesNotMatch(told, /InstallInitialize/);
      await assertNothingIsLeft();
    });
  });
}

test('all that is missing is told at once', async () => {
  const [hyperV, dotNet] = lacks;
  assert(hyperV && dotNet);
  await without(hyperV, async () =>
    without(dotNet, async () => {
      const { code, output } = await fromZip('--port', String(await freePort()));
      assert.equal(code, 2, output);
      for (const { says } of [hyperV, dotNet]) assert.match(output, says);
      await assertNothingIsLeft();
    }),
  );
});

test('a port that another program has is refused by every way, and nothing is left', async () => {
  const server = createServer().listen(0, '0.0.0.0');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  assert(typeof address === 'object' && address !== null);
  const port = String(address.port);
  try {
    const zip = await fromZip('--port', port);
    assert.equal(zip.code, 2, zip.output);
    assert.match(zip.output, new RegExp(`Port ${port} is used by another program`));
    await assertNothingIsLeft();
    const given = [String.raw`PASSWORDFILE=C:\pw.txt`, `PORT=${port}`];
    const msi = await wine.run('msiexec', ['/i', String.raw`C:\agent.msi`, '/qn', ...given]);
    assert.notEqual(msi.code, 0);
    assert.match(msi.output, new RegExp(`Port ${port} is used by another program`));
    await assertNothingIsLeft();
  } finally {
    server.close();
  }
});
