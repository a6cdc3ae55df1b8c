/** An agent as a service runs it: set up once, started with its configuration file, without the password. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';

import { serveConfigured } from '../../../server/agent/configured.ts';
import type { RunningAgent } from '../../../server/agent/main.ts';
import { setUpAgent } from '../../../server/agent/set-up/set-up.ts';
import type { SetUpResult } from '../../../server/agent/set-up/set-up.ts';
import { initHost } from '../../../server/agent/simulated/index.ts';
import { listVms } from '../../../server/protocol/agent.ts';
import { errorCodes } from '../../../server/protocol/errors.ts';
import { code, connectTo, never, password } from './support.ts';

interface Site {
  readonly directory: string;
  readonly result: SetUpResult;
  readonly start: () => Promise<RunningAgent>;
}

async function siteFor(context: TestContext): Promise<Site> {
  const base = mkdtempSync(join(tmpdir(), 'tidemark-service-'));
  const agents: RunningAgent[] = [];
  context.after(async () => {
    for (const agent of agents) await agent.close();
    rmSync(base, { recursive: true, force: true });
  });
  const root = join(base, 'host');
  await initHost(root, { name: 'HV01' });
  const directory = join(base, 'agent');
  const result = await setUpAgent({
    directory,
    provider: 'simulated',
    root,
    listen: 'https://127.0.0.1:0',
    names: ['127.0.0.1'],
    password: async () => password,
  });
  const start = async (): Promise<RunningAgent> => {
    const options = { version: '0.1.0', signal: never, onLogFailure: (line: string) => assert.fail(line) };
    const agent = await serveConfigured(result.configFile, options);
    agents.push(agent);
    return agent;
  };
  return { directory, result, start };
}

test('it is logged in to with the password and the pinned certificate, refuses others, and writes its logs', async (context) => {
  const { directory, result, start } = await siteFor(context);
  const agent = await start();
  assert.ok(result.certificateSha256 !== undefined);
  const connection = await connectTo(context, agent.url, { pin: result.certificateSha256 });
  assert.deepEqual((await connection.request(listVms, {}, { signal: never })).vms, []);
  await assert.rejects(
    connectTo(context, agent.url, { password: 'another' }),
    code(errorCodes.agentAuthenticationFailed),
  );
  await connection.close();
  await agent.close();
  const log = readFileSync(join(directory, 'logs', 'agent.log'), 'utf8');
  assert.match(log, /serving a simulated host/);
  assert.ok(log.includes(result.certificateSha256));
  assert.match(log, /agent stopped/);
  const actions = readFileSync(join(directory, 'logs', 'audit.log'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
    .map((event) => (typeof event === 'object' && event !== null && 'action' in event ? event.action : undefined));
  assert.deepEqual(actions.slice(0, 4), ['agent-started', 'login', 'session-opened', 'login']);
  assert.equal(actions.at(-1), 'agent-stopped');
  for (const name of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!name.isFile()) continue;
    const text = readFileSync(join(name.parentPath, name.name), 'utf8');
    assert.ok(!text.includes(password) && !text.includes('another'), name.name);
  }
});

test('after an upgrade it is the same agent: certificate and password stay', async (context) => {
  const { directory, result, start } = await siteFor(context);
  await (await start()).close();
  const again = await setUpAgent({ directory, threads: 2, password: undefined });
  assert.equal(again.certificateSha256, result.certificateSha256);
  const agent = await start();
  await connectTo(context, agent.url, { pin: result.certificateSha256 ?? '' });
});

test('what makes it fail to start is in its log', async (context) => {
  const { directory, start } = await siteFor(context);
  const credential = join(directory, 'credential.json');
  const good = readFileSync(credential, 'utf8');
  writeFileSync(credential, '{}');
  await assert.rejects(start(), code(errorCodes.invalidFile));
  writeFileSync(credential, good);
  rmSync(join(directory, 'key.pem'));
  await assert.rejects(start(), code(errorCodes.invalidFile));
  const log = readFileSync(join(directory, 'logs', 'agent.log'), 'utf8');
  assert.match(log, /cannot start[^]*credential\.json/);
  assert.match(log, /cannot start[^]*key\.pem/);
  assert.ok(!log.includes('PRIVATE KEY') && !log.includes('storedKey'));
});
