import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { test } from 'node:test';

import { agentService, freePort, installedAgent, logIn, password, servingProcess } from './support/agent.ts';
import { registryRemains } from './support/remains.ts';
import { madePackages } from './support/packages.ts';
import type { MadePackage } from './support/packages.ts';
import { eventually, Wine } from './support/wine.ts';
import type { WineResult } from './support/wine.ts';

const made = madePackages();
const dataPath = String.raw`C:\ProgramData\Tidemark Agent`;
const trial = String.raw`C:\host`;
const passwordFile = String.raw`C:\secret\pw.txt`;

/** One way to install: every one must do the same. */
interface Way {
  readonly name: string;
  readonly installPath: string;
  /** Installs or upgrades; settings as the way names them. */
  install(wine: Wine, made: MadePackage, settings: Readonly<Record<string, string>>): Promise<WineResult>;
  uninstall(wine: Wine, made: MadePackage, removeData: boolean): Promise<WineResult>;
}

const tidemark = async (wine: Wine, folder: string, ...args: readonly string[]): Promise<WineResult> =>
  wine.run(String.raw`${folder}\node.exe`, [String.raw`${folder}\server\tidemark.js`, ...args]);

/** The zip: unpacked by the administrator; Install-TidemarkAgent.ps1 calls the same. */
const fromZip: Way = {
  name: 'the unpacked zip',
  installPath: String.raw`C:\Program Files\Tidemark Agent`,
  async install(wine, { folder, version }, settings) {
    const there = String.raw`C:\unpacked-${version}`;
    if (!existsSync(wine.path(there))) wine.copyIn(folder, there);
    const options = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    return tidemark(wine, there, 'agent', 'install', ...options);
  },
  async uninstall(wine, { version }, removeData) {
    return tidemark(
      wine,
      String.raw`C:\unpacked-${version}`,
      'agent',
      'uninstall',
      ...(removeData ? ['--remove-data'] : []),
    );
  },
};

/** NSIS reads the whole command line itself, and wants its /D= last and without quotes: so a command file says it. */
async function inCommandFile(wine: Wine, line: string): Promise<WineResult> {
  wine.write(String.raw`C:\run.cmd`, `@echo off\r\nstart /wait "" ${line}\r\nexit /b %ERRORLEVEL%\r\n`);
  return wine.run('cmd', ['/c', String.raw`C:\run.cmd`]);
}

const bySetup: Way = {
  name: 'setup.exe',
  installPath: String.raw`C:\Backup Tools\Tidemark Agent`,
  async install(wine, { setup, version }, settings) {
    const there = String.raw`C:\tidemark-${version}-setup.exe`;
    wine.copyIn(setup, there);
    const options = Object.entries(settings).map(
      ([name, value]) => `/${name.replaceAll('-', '').toUpperCase()}=${value}`,
    );
    const resultFile = String.raw`C:\result.ini`;
    const { code } = await inCommandFile(
      wine,
      String.raw`${there} /S ${options.join(' ')} /RESULTFILE=${resultFile} /D=${bySetup.installPath}`,
    );
    return { code, output: readFileSync(wine.path(resultFile), 'utf16le') };
  },
  async uninstall(wine, _made, removeData) {
    // With _? it does not copy itself elsewhere and return at once.
    const uninstaller = String.raw`${bySetup.installPath}\Uninstall.exe`;
    const result = await inCommandFile(
      wine,
      String.raw`"${uninstaller}" /S ${removeData ? '/REMOVEDATA' : ''} _?=${bySetup.installPath}`,
    );
    // Nor can it then remove itself, and its folder.
    assert.deepEqual(readdirSync(wine.path(bySetup.installPath)), ['Uninstall.exe']);
    rmSync(wine.path(bySetup.installPath), { recursive: true });
    return result;
  },
};

const byMsi: Way = {
  name: 'the MSI',
  installPath: String.raw`C:\Program Files\Tidemark Agent`,
  async install(wine, { msi, version }, settings) {
    const there = String.raw`C:\tidemark-${version}.msi`;
    wine.copyIn(msi, there);
    const properties = Object.entries(settings).map(
      ([name, value]) => `${name.replaceAll('-', '').toUpperCase()}=${value}`,
    );
    return wine.run('msiexec', ['/i', there, '/qn', '/l*v', String.raw`C:\msi.log`, ...properties]);
  },
  async uninstall(wine, { version }, removeData) {
    const remove = removeData ? ['REMOVEDATA=1'] : [];
    return wine.run('msiexec', ['/x', String.raw`C:\tidemark-${version}.msi`, '/qn', ...remove]);
  },
};

/** Every file below a folder; none when there is no folder. */
function filesIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder, { recursive: true }).map(String) : [];
}

/** Whether a text is in any file below the data folder, or in a log of an installer. */
function tellsPassword(wine: Wine): readonly string[] {
  const logs = [String.raw`C:\msi.log`, String.raw`C:\result.ini`];
  const data = readdirSync(wine.path(dataPath), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`);
  return [...logs.map((file) => wine.path(file)), ...data]
    .filter((file) => existsSync(file))
    .filter((file) => wine.holds(file, password));
}

for (const way of [fromZip, bySetup, byMsi]) {
  test(`the agent is installed, used, killed, upgraded and uninstalled with ${way.name}`, async (t) => {
    await using wine = await Wine.create();
    const port = await freePort();
    const other = await freePort();
    wine.copyIn(made.old.folder, String.raw`C:\tools`);
    await tidemark(wine, String.raw`C:\tools`, 'sim', 'init', trial, '--name', 'HV01');
    const settings = { provider: 'simulated', root: trial, port: String(port) };

    await t.test('installed silently, with a password from a file that is gone then', async () => {
      wine.write(passwordFile, `${password}\r\n`);
      const remove =
        way === fromZip
          ? { 'password-file': passwordFile }
          : { 'password-file': passwordFile, 'remove-password-file': '1' };
      const { code, output } = await way.install(wine, made.old, { ...settings, ...remove });
      assert.equal(code, 0, output);
      if (way !== fromZip) assert.ok(!existsSync(wine.path(passwordFile)), 'the password file is removed');
      assert.deepEqual(tellsPassword(wine), [], 'the password is written nowhere');
      assert.ok(existsSync(wine.path(String.raw`${way.installPath}\node.exe`)));
    });

    await t.test('serves over TLS to who knows the password', async () => {
      const agent = await installedAgent(wine, port);
      const host = await logIn(agent);
      assert.deepEqual([host.name, host.version], ['HV01', made.old.version]);
      await assert.rejects(logIn(agent, 'correct horse battery stable'), { code: 'TM2002' });
    });

    await t.test('comes back when its process is killed', async () => {
      const killed = servingProcess(wine);
      await wine.mustRun('taskkill', ['/f', '/pid', String(killed)]);
      await eventually('another process', () => (servingProcess(wine) === killed ? undefined : true));
      const agent = await installedAgent(wine, port);
      await eventually('the agent answers', async () => logIn(agent).catch(() => undefined));
    });

    await t.test('upgraded: it keeps password and certificate, and changes only what is given', async () => {
      const before = await installedAgent(wine, port);
      const { code, output } = await way.install(wine, made.new, { port: String(other) });
      assert.equal(code, 0, output);
      const agent = await installedAgent(wine, other);
      assert.equal(agent.certificateSha256, before.certificateSha256);
      assert.equal((await logIn(agent)).version, made.new.version);
      assert.ok(!existsSync(wine.path(`${way.installPath}.old`)));
      assert.ok(!existsSync(wine.path(`${way.installPath}.new`)));
    });

    await t.test('uninstalled: nothing is left but the settings', async () => {
      const { code, output } = await way.uninstall(wine, made.new, false);
      assert.equal(code, 0, output);
      assert.equal(await wine.serviceState(agentService), undefined);
      assert.deepEqual(filesIn(wine.path(way.installPath)), []);
      assert.ok(existsSync(wine.path(String.raw`${dataPath}\certificate.pem`)));
      const { output: left } = await wine.run('reg', ['query', String.raw`HKLM\SOFTWARE\Tidemark\Agent`]);
      assert.match(left, /DataPath +REG_SZ +C:\\ProgramData\\Tidemark Agent/);
      assert.match(left, /InstallPath +REG_SZ *$/m);
    });

    await t.test('installed again it is the same agent; uninstalled with its data nothing is left', async () => {
      const { code, output } = await way.install(wine, made.new, {});
      assert.equal(code, 0, output);
      await logIn(await installedAgent(wine, other));
      const removed = await way.uninstall(wine, made.new, true);
      assert.equal(removed.code, 0, removed.output);
      assert.ok(!existsSync(wine.path(dataPath)));
      assert.equal(await wine.serviceState(agentService), undefined);
      assert.deepEqual(await registryRemains(wine), []);
    });
  });
}
