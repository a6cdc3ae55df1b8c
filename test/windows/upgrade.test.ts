import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { actions } from '../../scripts/agent-package/msi.mjs';
import { agentService, freePort, installedAgent, logIn, password } from './support/agent.ts';
import { madePackages, workFolder } from './support/packages.ts';
import { eventually, Wine } from './support/wine.ts';
import type { WineResult } from './support/wine.ts';

const made = madePackages();
const trial = String.raw`C:\host`;
const installPath = String.raw`C:\Backup Tools\Agent`;
const dataPath = String.raw`C:\Backup Data\Agent`;
const serviceKey = String.raw`HKLM\SYSTEM\CurrentControlSet\Services\TidemarkAgent`;
const agentKey = String.raw`HKLM\SOFTWARE\Tidemark\Agent`;
const copyPath = String.raw`${dataPath}\former`;
const settingsFiles = ['config.json', 'credential.json', 'certificate.pem', 'key.pem'];
const account = String.raw`CONTOSO\backup$`;
const others = 'a wholly different password';

/** One value of the registry, as `reg query` shows it. */
async function registryValue(wine: Wine, key: string, name: string): Promise<string | undefined> {
  const { output } = await wine.run('reg', ['query', key, '/v', name]);
  return /REG_\w+ +(.*)$/m.exec(output)?.[1];
}

/** Everything that was set, wherever it is remembered. */
async function settingsOf(wine: Wine): Promise<Readonly<Record<string, string | undefined>>> {
  const values: readonly (readonly [string, string])[] = [
    [serviceKey, 'ObjectName'],
    [`${serviceKey}\\Parameters`, 'Application'],
    [`${serviceKey}\\Parameters`, 'AppParameters'],
    [agentKey, 'DataPath'],
    [agentKey, 'InstallPath'],
    [agentKey, 'Firewall'],
  ];
  const found: Record<string, string | undefined> = {};
  for (const file of settingsFiles) found[file] = wine.read(`${dataPath}\\${file}`);
  for (const [key, name] of values) found[name] = await registryValue(wine, key, name);
  return found;
}

/** A Windows without Hyper-V with the old version on it; none of its settings is the default one. */
async function installOld(port: number): Promise<Wine> {
  const wine = await Wine.create();
  try {
    wine.copyIn(made.old.folder, String.raw`C:\tools`);
    const sim = [String.raw`C:\tools\server\tidemark.js`, 'sim', 'init', trial, '--name', 'HV01'];
    await wine.mustRun(String.raw`C:\tools\node.exe`, sim);
    await wine.mustRun('reg', ['delete', String.raw`HKLM\SYSTEM\CurrentControlSet\Services\vmms`, '/f']);
    wine.write(String.raw`C:\secret\pw.txt`, `${password}\r\n`);
    const folders = [`INSTALLFOLDER=${installPath}`, `DATAFOLDER=${dataPath}`];
    const listen = ['LISTENADDRESS=127.0.0.1', `PORT=${port}`, 'THREADS=7', 'FIREWALL=0'];
    const settings = ['PROVIDER=simulated', `ROOT=${trial}`, String.raw`PASSWORDFILE=C:\secret\pw.txt`];
    await upgradeWith(wine, oldMsi, [...folders, ...listen, ...settings]);
    // An account of a domain that no Wine can ask for: so it stands where Windows remembers it.
    await wine.mustRun('reg', ['add', serviceKey, '/v', 'ObjectName', '/d', account, '/f']);
    return wine;
  } catch (error) {
    await wine[Symbol.asyncDispose]();
    throw error;
  }
}

async function msiexec(
  wine: Wine,
  msi: string,
  properties: readonly string[],
): Promise<WineResult & { readonly log: string }> {
  wine.copyIn(msi, String.raw`C:\agent.msi`);
  const log = String.raw`C:\msi.log`;
  const result = await wine.run('msiexec', ['/i', String.raw`C:\agent.msi`, '/qn', '/l*v', log, ...properties]);
  return { ...result, log: wine.read(log) };
}

async function upgradeWith(wine: Wine, msi: string, properties: readonly string[]): Promise<void> {
  const { code, output } = await msiexec(wine, msi, properties);
  assert.equal(code, 0, output);
}

/** An MSI with other rows in its tables. */
function changedMsi(msi: string, name: string, ...queries: readonly string[]): string {
  const changed = join(workFolder(), name);
  copyFileSync(msi, changed);
  for (const query of queries) {
    const result = spawnSync('msibuild', [changed, '-q', query], { encoding: 'utf8' });
    assert.equal(result.status, 0, result.stderr);
  }
  return changed;
}

/** When a new version removes the old one, Windows tells the old one so by `UPGRADINGPRODUCTCODE`, and it does not uninstall the agent. Wine 8 does not tell it. */
const oldMsi = changedMsi(
  made.old.msi,
  'old.msi',
  "UPDATE `InstallExecuteSequence` SET `Condition` = '0' WHERE `Action` = 'Uninstall'",
);

/** The new MSI, of which the last step after the start of the service fails (a deferred action that runs the package's Node as LocalSystem). */
const failsLate = changedMsi(
  made.new.msi,
  'fails-late.msi',
  "INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`) VALUES ('FailLate', 3090, 'NodeExe', '-e process.exit(1)')",
  "INSERT INTO `InstallExecuteSequence` (`Action`, `Condition`, `Sequence`) VALUES ('FailLate', 'NOT REMOVE', 5911)",
);

/** Runs the action of the MSI that puts the settings back. */
async function undoAsWindowsDoes(wine: Wine): Promise<void> {
  const undo = actions.find(({ name }) => name === 'PutBackFormer');
  assert.ok(undo !== undefined);
  wine.copyIn(made.new.folder, String.raw`C:\newtools`);
  const line = undo.target.replace('[INSTALLFOLDER]', 'C:\\newtools\\').replace('[KNOWNDATAFOLDER]', dataPath);
  const args = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
  await wine.mustRun(String.raw`C:\newtools\node.exe`, args);
}

test('an MSI upgrade to which nothing is given keeps every setting: account, folders, address, threads, firewall, password', async () => {
  const port = await freePort();
  await using wine = await installOld(port);
  const before = await settingsOf(wine);
  assert.equal(before['ObjectName'], account);
  assert.equal(before['Firewall'], '0x0');
  await upgradeWith(wine, made.new.msi, []);
  assert.deepEqual(await settingsOf(wine), before);
  assert.equal(await registryValue(wine, agentKey, 'Version'), made.new.version);
  const host = await logIn(await installedAgent(wine, port, dataPath));
  assert.deepEqual([host.name, host.version], ['HV01', made.new.version]);
  assert.ok(!existsSync(wine.path(copyPath)), 'no copy of the former settings is left');
});

test('an MSI upgrade that is refused, or fails when the new service runs already, leaves settings, password and version of before', async (t) => {
  const port = await freePort();
  await using wine = await installOld(port);

  await t.test(
    'refused for a service whose account has a password, which nobody could give to the new one',
    async () => {
      await wine.mustRun('reg', ['add', serviceKey, '/v', 'ObjectName', '/d', String.raw`.\backup`, '/f']);
      const before = await settingsOf(wine);
      const { code, log } = await msiexec(wine, made.new.msi, []);
      assert.notEqual(code, 0);
      // Wine shows no message with /qn; that of this condition is judged in test/unit/agent/msi.test.ts.
      assert.match(log, /LaunchConditions\. Return value 0/);
      assert.deepEqual(await settingsOf(wine), before);
      assert.equal(await wine.serviceState(agentService), 'RUNNING');
      assert.equal((await logIn(await installedAgent(wine, port, dataPath))).version, made.old.version);
    },
  );

  await t.test('failed late', async () => {
    await wine.mustRun('reg', ['add', serviceKey, '/v', 'ObjectName', '/d', account, '/f']);
    const before = await settingsOf(wine);
    wine.write(String.raw`C:\secret\other.txt`, `${others}\r\n`);
    const given = [`PORT=${await freePort()}`, 'THREADS=3', 'FIREWALL=1', String.raw`PASSWORDFILE=C:\secret\other.txt`];
    const { code, log } = await msiexec(wine, failsLate, given);
    assert.notEqual(code, 0);
    assert.match(log, /FailLate/);
    // Windows undoes an installation step by step backwards, and this action while the new program is there. Wine 8 removes the program first: so it is done here.
    await undoAsWindowsDoes(wine);
    const after = await settingsOf(wine);
    for (const name of [...settingsFiles, 'DataPath', 'InstallPath', 'Firewall']) {
      assert.equal(after[name], before[name], name);
    }
    assert.equal(await registryValue(wine, agentKey, 'Version'), made.old.version);
    assert.ok(!existsSync(wine.path(copyPath)), 'no copy of the former settings is left');
    const old = [String.raw`C:\tools\server\tidemark.js`, 'agent', '--config', `${dataPath}\\config.json`];
    const running = wine.start(String.raw`C:\tools\node.exe`, old, join(wine.prefix, 'old.txt'));
    try {
      const agent = await installedAgent(wine, port, dataPath);
      const host = await eventually('the old version answers', async () => logIn(agent).catch(() => undefined));
      assert.equal(host.version, made.old.version);
      await assert.rejects(logIn(agent, others), { code: 'TM2002' });
    } finally {
      running.kill();
    }
  });
});
