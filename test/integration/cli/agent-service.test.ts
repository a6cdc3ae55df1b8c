/** `tidemark agent set-up` and what it makes, as an administrator and a service use them. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { connectAgent } from '../../../server/daemon/agent-client/connection.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';
import { ownerId } from '../../../server/protocol/ids.ts';
import { boolean, json, object, string } from '../../../server/protocol/parse.ts';

const cli = fileURLToPath(new URL('../../../server/cli/main.ts', import.meta.url));
const run = promisify(execFile);
const tidemark = async (...args: readonly string[]): Promise<string> =>
  (await run(process.execPath, [cli, ...args], { timeout: 60_000 })).stdout;

const result = object({
  configFile: string(),
  url: string(),
  certificateSha256: string(),
  made: object({ certificate: boolean, credential: boolean }),
});

test('set up, started with one argument, logged in to, stopped; the password is in none of its files or arguments', async (context) => {
  const base = mkdtempSync(join(tmpdir(), 'tidemark-set-up-'));
  context.after(() => rmSync(base, { recursive: true, force: true }));
  const password = 'correct horse battery staple';
  const passwordFile = join(base, 'agent.pw');
  writeFileSync(passwordFile, `${password}\n`);
  await tidemark('sim', 'init', join(base, 'host'));
  const data = join(base, 'agent');
  const options = ['--provider', 'simulated', '--root', join(base, 'host'), '--listen', 'https://127.0.0.1:0'];
  const setUp = ['agent', 'set-up', '--data', data, ...options, '--name', 'hv01', '--json'];
  const first = json(await tidemark(...setUp, '--password-file', passwordFile), result, 'The result');
  assert.deepEqual(first.made, { certificate: true, credential: true });
  rmSync(passwordFile);
  const again = json(await tidemark('agent', 'set-up', '--data', data, '--json'), result, 'The result');
  assert.deepEqual(again, { ...first, made: { certificate: false, credential: false } });
  const text = await tidemark('agent', 'set-up', '--data', data);
  assert.ok(text.includes(first.certificateSha256) && text.includes('https://hv01:'));

  const service = spawn(process.execPath, [cli, 'agent', '--config', first.configFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  context.after(() => service.kill('SIGKILL'));
  const lines: unknown[] = await once(service.stdout, 'data');
  const url = /listening on (\S+)/.exec(String(lines[0]))?.[1];
  assert.ok(url !== undefined);
  const connect = async (secret: string): Promise<string> => {
    const target = { url, password: secret, certificateSha256: first.certificateSha256 };
    const identity = { owner: ownerId('ab'.repeat(16), 'owner'), client: 'test', signal: new AbortController().signal };
    const connection = await connectAgent(target, identity);
    await connection.close();
    return connection.host.provider;
  };
  assert.equal(await connect(password), 'simulated');
  await assert.rejects(connect('wrong'), (error) => TidemarkError.is(error, errorCodes.agentAuthenticationFailed));
  service.kill('SIGTERM');
  if (service.exitCode === null) await once(service, 'exit');
  assert.equal(service.exitCode, process.platform === 'win32' ? null : 0);
  assert.match(readFileSync(join(data, 'logs', 'audit.log'), 'utf8'), /"action":"login","result":"wrong-password"/);
});
