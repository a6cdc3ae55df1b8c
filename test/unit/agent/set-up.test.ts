import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  mkdirSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { readConfig } from '../../../server/agent/set-up/config-file.ts';
import {
  readCredentialFile,
  storedCredential,
  writeCredentialFile,
} from '../../../server/agent/set-up/credential-file.ts';
import { makePrivateFolder } from '../../../server/agent/set-up/private-folder.ts';
import { setUpAgent } from '../../../server/agent/set-up/set-up.ts';
import type { SetUpOptions } from '../../../server/agent/set-up/set-up.ts';
import { ScramClient, ScramServer } from '../../../server/base/scram.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import type { ErrorCode } from '../../../server/protocol/errors.ts';

const password = 'correct horse battery staple';

function folder(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'tidemark-set-up-'));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const is =
  (code: ErrorCode, text = /./) =>
  (error: unknown): boolean =>
    TidemarkError.is(error, code) && text.test(error.message);

/** First set-up; the password counts how often it was asked for. */
function first(directory: string, more: Partial<SetUpOptions> = {}): SetUpOptions {
  return {
    directory,
    listen: 'https://0.0.0.0:8440',
    names: ['hv01', '192.0.2.7'],
    password: async () => password,
    ...more,
  };
}

async function logsIn(file: string, secret: string): Promise<boolean> {
  const server = new ScramServer(await readCredentialFile(file), { type: 'none' });
  const client = new ScramClient(secret, { type: 'none' });
  try {
    client.verify(server.final(await client.final(server.first(client.first()))).message);
    return true;
  } catch (error) {
    assert.ok(TidemarkError.is(error, errorCodes.agentAuthenticationFailed));
    return false;
  }
}

test('a set-up makes folder, certificate, credential and configuration, readable by its account only', async (context) => {
  const directory = join(folder(context), 'agent');
  const result = await setUpAgent(first(directory));
  assert.deepEqual(readdirSync(directory).toSorted(), [
    'certificate.pem',
    'config.json',
    'credential.json',
    'key.pem',
    'logs',
    'state',
  ]);
  assert.equal(result.url, 'https://hv01:8440');
  assert.deepEqual(result.made, { certificate: true, credential: true });
  const certificate = new X509Certificate(readFileSync(join(directory, 'certificate.pem')));
  assert.equal(certificate.fingerprint256.replaceAll(':', '').toLowerCase(), result.certificateSha256);
  assert.equal(certificate.subjectAltName, 'DNS:hv01, IP Address:192.0.2.7');
  assert.ok(certificate.checkPrivateKey(createPrivateKey(readFileSync(join(directory, 'key.pem')))));
  assert.deepEqual(await readConfig(result.configFile), {
    provider: { kind: 'hyperv', stateDirectory: join(directory, 'state'), restoreDirectory: undefined },
    listen: 'https://0.0.0.0:8440',
    credentialFile: join(directory, 'credential.json'),
    tls: { certificateFile: join(directory, 'certificate.pem'), keyFile: join(directory, 'key.pem') },
    threads: 4,
    logFile: join(directory, 'logs', 'agent.log'),
    auditFile: join(directory, 'logs', 'audit.log'),
  });
  assert.ok(await logsIn(join(directory, 'credential.json'), password));
  assert.ok(!(await logsIn(join(directory, 'credential.json'), 'another')));
  for (const name of readdirSync(directory)) {
    const { mode } = statSync(join(directory, name));
    if (process.platform !== 'win32') assert.equal(mode & 0o077, 0, name);
    if (statSync(join(directory, name)).isFile()) {
      assert.ok(!readFileSync(join(directory, name), 'utf8').includes(password));
    }
  }
});

test('a second set-up keeps certificate, key and credential, and changes only what is given', async (context) => {
  const directory = folder(context);
  const once = await setUpAgent(first(directory, { restoreFolder: `${directory}-restored` }));
  const files = ['certificate.pem', 'key.pem', 'credential.json', 'config.json'];
  const contents = (): string[] => files.map((name) => readFileSync(join(directory, name), 'utf8'));
  const before = contents();
  const again = await setUpAgent({ directory, password: undefined });
  assert.deepEqual(contents(), before);
  assert.deepEqual(again, { ...once, made: { certificate: false, credential: false } });
  const kept = await setUpAgent({ directory, password: async () => 'new', keepPassword: true, threads: 7 });
  assert.deepEqual(kept.made, { certificate: false, credential: false });
  assert.deepEqual(contents().slice(0, 3), before.slice(0, 3));
  const config = await readConfig(kept.configFile);
  assert.equal(config.threads, 7);
  assert.deepEqual(config.provider, {
    kind: 'hyperv',
    stateDirectory: join(directory, 'state'),
    restoreDirectory: `${directory}-restored`,
  });
});

test('a password that is given again replaces the credential, and nothing else', async (context) => {
  const directory = folder(context);
  const { certificateSha256 } = await setUpAgent(first(directory));
  const changed = await setUpAgent({ directory, password: async () => 'another' });
  assert.deepEqual(changed.made, { certificate: false, credential: true });
  assert.equal(changed.certificateSha256, certificateSha256);
  assert.ok(await logsIn(join(directory, 'credential.json'), 'another'));
  assert.ok(!(await logsIn(join(directory, 'credential.json'), password)));
});

test('http needs no certificate; going over to https makes one', async (context) => {
  const directory = folder(context);
  const plain = await setUpAgent(first(directory, { listen: 'http://127.0.0.1:9000' }));
  assert.equal(plain.url, 'http://hv01:9000');
  assert.equal(plain.certificateSha256, undefined);
  assert.equal((await readConfig(plain.configFile)).tls, undefined);
  const tls = await setUpAgent({ directory, listen: 'https://0.0.0.0', names: ['2001:db8::1'], password: undefined });
  assert.equal(tls.url, 'https://[2001:db8::1]:8440');
  assert.deepEqual(tls.made, { certificate: true, credential: false });
});

test('what is missing or does not fit together is TM1002, and leaves no configuration behind', async (context) => {
  const directory = folder(context);
  const usage = is(errorCodes.invalidUsage);
  await assert.rejects(setUpAgent({ directory, password: async () => password }), usage);
  await assert.rejects(setUpAgent(first(directory, { password: undefined })), usage);
  await assert.rejects(setUpAgent(first(directory, { password: async () => '' })), usage);
  await assert.rejects(setUpAgent(first(directory, { listen: 'ftp://x' })), usage);
  await assert.rejects(setUpAgent(first(directory, { names: ['a b'] })), usage);
  await assert.rejects(setUpAgent(first(directory, { provider: 'simulated' })), usage);
  await assert.rejects(setUpAgent(first(directory, { root: directory })), usage);
  assert.ok(!readdirSync(directory).includes('config.json'));
});

test('a set-up that was interrupted between key and certificate makes both anew', async (context) => {
  const directory = folder(context);
  await setUpAgent(first(directory));
  rmSync(join(directory, 'certificate.pem'));
  rmSync(join(directory, 'config.json'));
  const { made } = await setUpAgent(first(directory, { keepPassword: true }));
  assert.deepEqual(made, { certificate: true, credential: false });
});

test('a certificate that does not belong to its key is TM1003 and is not replaced unasked', async (context) => {
  const [directory, other] = [folder(context), folder(context)];
  await setUpAgent(first(directory));
  await setUpAgent(first(other));
  writeFileSync(join(directory, 'key.pem'), readFileSync(join(other, 'key.pem')));
  const before = readFileSync(join(directory, 'certificate.pem'), 'utf8');
  await assert.rejects(setUpAgent({ directory, password: undefined }), is(errorCodes.invalidFile));
  assert.equal(readFileSync(join(directory, 'certificate.pem'), 'utf8'), before);
});

test('a configuration with a slip is TM1003 naming the place', async (context) => {
  const directory = folder(context);
  const { configFile } = await setUpAgent(first(directory));
  const good: unknown = JSON.parse(readFileSync(configFile, 'utf8'));
  assert.ok(typeof good === 'object');
  const slips: readonly (readonly [object, RegExp])[] = [
    [{ thread: 2 }, /"thread"/],
    [{ threads: 0 }, /threads/],
    [{ threads: '2' }, /threads/],
    [{ version: 2 }, /version/],
    [{ provider: 'vmware' }, /provider/],
    [{ tls: undefined }, /tls/],
    [{ tls: { certificateFile: 'a' } }, /keyFile/],
    [{ listen: 'http://127.0.0.1' }, /tls/],
    [{ root: 'x' }, /root/],
    [{ provider: 'simulated', root: 'x' }, /stateFolder/],
    [{ credentialFile: undefined }, /credentialFile/],
    [{ password: 'secret' }, /"password"/],
  ];
  for (const [slip, text] of slips) {
    writeFileSync(configFile, JSON.stringify({ ...good, ...slip }));
    await assert.rejects(readConfig(configFile), is(errorCodes.invalidFile, text), JSON.stringify(slip));
  }
  writeFileSync(configFile, '{');
  await assert.rejects(readConfig(configFile), is(errorCodes.invalidFile, /JSON/));
  writeFileSync(configFile, ' '.repeat(1024 * 1024));
  await assert.rejects(readConfig(configFile), is(errorCodes.invalidFile, /larger/));
  await assert.rejects(readConfig(join(directory, 'none.json')), is(errorCodes.invalidFile, /exist/));
});

test('a credential file that was changed or cut off is TM1003', async (context) => {
  const file = join(folder(context), 'credential.json');
  await writeCredentialFile(file, await storedCredential(password));
  const text = readFileSync(file, 'utf8');
  assert.ok(!text.includes(password));
  const read = await readCredentialFile(file);
  assert.equal(read.storedKey.length, 32);
  const changes = [
    text.slice(0, -10),
    text.replace('600000', '1000'),
    text.replace('600000', '6000000'),
    text.replace('SCRAM-SHA-256', 'PLAIN'),
    text.replace(/"salt": "./, '"salt": "!'),
    text.replace(/"storedKey": "..../, '"storedKey": "'),
    text.replace('"version": 1', '"version": 2'),
    text.replace('"version": 1', '"version": 1, "password": "x"'),
  ];
  for (const changed of changes) {
    assert.notEqual(changed, text);
    writeFileSync(file, changed);
    await assert.rejects(readCredentialFile(file), is(errorCodes.invalidFile), changed);
  }
});

test(
  'a link, a file or somebody else’s folder is not taken for the agent’s',
  { skip: process.platform === 'win32' },
  async (context) => {
    const directory = folder(context);
    mkdirSync(join(directory, 'real'));
    symlinkSync(join(directory, 'real'), join(directory, 'link'));
    writeFileSync(join(directory, 'file'), '');
    await assert.rejects(makePrivateFolder(join(directory, 'link')), is(errorCodes.invalidUsage));
    await assert.rejects(makePrivateFolder(join(directory, 'file')), is(errorCodes.invalidUsage));
    // Only root can give a folder away.
    if (process.getuid?.() !== 0) return;
    chownSync(join(directory, 'real'), 12_345, 12_345);
    await assert.rejects(makePrivateFolder(join(directory, 'real')), is(errorCodes.invalidUsage, /another account/));
  },
);

test('on Windows rights are set by SID, before anything is written, and for what was there', async (context) => {
  const directory = join(folder(context), 'agent');
  const calls: string[] = [];
  const seen: string[][] = [];
  const icacls = async (args: readonly string[]): Promise<void> => {
    calls.push(args.join(' ').replaceAll(`${directory}${sep}`, 'DIR\\').replaceAll(directory, 'DIR'));
    seen.push(readdirSync(directory));
  };
  const options = first(directory, { platform: 'win32', icacls, accounts: ['S-1-5-80-1-2-3-4-5'] });
  await setUpAgent(options);
  assert.deepEqual(calls, [
    'DIR /setowner *S-1-5-32-544 /T /L /Q',
    'DIR /inheritance:r /grant:r *S-1-5-18:(OI)(CI)F *S-1-5-32-544:(OI)(CI)F *S-1-5-80-1-2-3-4-5:(OI)(CI)M /Q',
    'DIR /remove:g *S-1-1-0 *S-1-5-11 *S-1-5-32-545 *S-1-3-0 /Q',
  ]);
  assert.deepEqual(seen.flat(), []);
  calls.length = 0;
  await setUpAgent({ ...options, keepPassword: true });
  assert.equal(calls.at(-1), 'DIR\\* /reset /T /L /Q');
  await assert.rejects(setUpAgent({ ...options, accounts: ['Everyone'] }), is(errorCodes.invalidUsage, /Everyone/));
  const broken = async (): Promise<void> => {
    throw Object.assign(new Error('failed'), { code: 5 });
  };
  await assert.rejects(setUpAgent({ ...options, icacls: broken }), is(errorCodes.invalidFile, /icacls: 5/));
});

test('on Windows, what another user puts into the new folder before it is protected is never taken', async (context) => {
  const directory = join(folder(context), 'agent');
  // Below ProgramData everybody may make files in new folders until their rights are set.
  const icacls = async (args: readonly string[]): Promise<void> => {
    if (args.includes('/setowner')) writeFileSync(join(directory, 'key.pem'), 'a key that he knows');
  };
  await assert.rejects(
    setUpAgent(first(directory, { platform: 'win32', icacls })),
    is(errorCodes.invalidUsage, /somebody else has put "key\.pem" there/),
  );
  assert.deepEqual(readdirSync(directory), ['key.pem']);
});

test('on Windows, an empty folder that is there already is made anew: who made it may hold it open', async (context) => {
  const directory = join(folder(context), 'agent');
  mkdirSync(directory);
  chmodSync(directory, 0o777);
  const before = statSync(directory, { bigint: true });
  await makePrivateFolder(directory, { platform: 'win32', icacls: async () => undefined });
  const after = statSync(directory, { bigint: true });
  assert.ok(before.birthtimeNs !== after.birthtimeNs);
  assert.notEqual(after.mode & 0o777n, 0o777n);
});

test('restored VMs cannot be put into the folder of the agent, which an uninstallation may remove', async (context) => {
  const directory = join(folder(context), 'agent');
  const refused = is(errorCodes.invalidFile, /lies in the folder of the agent/);
  for (const restoreFolder of [directory, join(directory, 'restored'), join(directory, 'state', 'x'), 'restored']) {
    await assert.rejects(setUpAgent(first(directory, { restoreFolder })), refused, restoreFolder);
  }
  const { configFile } = await setUpAgent(first(directory, { restoreFolder: `${directory}-restored` }));
  const text = readFileSync(configFile, 'utf8');
  writeFileSync(configFile, text.replace(`${directory}-restored`, './restored'));
  await assert.rejects(readConfig(configFile), refused);
});
