/** Building the PowerShell of the tests: once, whoever comes first; and what a machine without the .NET SDK says. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';

const support = pathToFileURL(fileURLToPath(new URL('../../support/hyperv/pwsh.ts', import.meta.url))).href;

/** What a process of its own writes that runs `body` with the support module as `support`. */
async function inProcess(body: string, environment: NodeJS.ProcessEnv): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', `const support = await import(${JSON.stringify(support)}); ${body}`],
    { env: environment },
  );
  return stdout.trim();
}

test('two test processes that come at the same time build it once', { timeout: 300_000 }, async (t) => {
  if (skipWithoutDotnet(t)) return;
  const cache = mkdtempSync(join(tmpdir(), 'tidemark-pwsh-'));
  t.after(() => rmSync(cache, { recursive: true, force: true }));
  const environment = { ...process.env, TIDEMARK_TEST_CACHE: cache };
  const build = 'console.log((await support.testPowerShell()).executable)';
  const [one, other] = await Promise.all([inProcess(build, environment), inProcess(build, environment)]);
  assert.equal(one, other);
  const made = readdirSync(join(cache, 'pwsh')).filter((name) => name !== 'build.lock' && name !== 'home');
  assert.equal(made.length, 1, made.join(' '));
  const { stderr } = await promisify(execFile)(one, ['-TidemarkSyntax', fileURLToPath(import.meta.url)]);
  assert.equal(stderr, '', 'it runs');
});

test('without the .NET SDK tests are skipped with one line, and fail on CI', async () => {
  const { CI: _ci, ...environment } = process.env;
  const body = 'console.log(support.skipWithoutDotnet({ skip: console.log }))';
  assert.equal(
    await inProcess(body, { ...environment, PATH: tmpdir() }),
    'the .NET SDK 10 is not installed: no PowerShell to test with\ntrue',
  );
  await assert.rejects(inProcess(body, { ...environment, PATH: tmpdir(), CI: 'true' }), /on CI no test is left out/);
});
