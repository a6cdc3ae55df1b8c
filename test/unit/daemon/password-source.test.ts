import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { givenPassword, readPassword, requiredPassword } from '../../../server/daemon/password-source.ts';
import { SecretStore } from '../../../server/daemon/secrets.ts';
import { errorCodes, TidemarkError } from '../../../server/protocol/errors.ts';

const directory = mkdtempSync(join(tmpdir(), 'tidemark-passwords-'));
after(() => rmSync(directory, { recursive: true }));
const { signal } = new AbortController();

/** A command of the Node that runs this test. */
const script = (text: string, ...args: string[]): { readonly command: readonly string[] } => ({
  command: [process.execPath, '-e', text, ...args],
});

describe('where the daemon takes a password from', () => {
  it('is one place, named by the request', () => {
    assert.equal(givenPassword({}), undefined);
    assert.equal(givenPassword({ password: 'secret' }), 'secret');
    assert.throws(() => requiredPassword({}), { code: errorCodes.invalidInput });
    assert.throws(() => givenPassword({ password: 'secret', passwordFile: '/x' }), { code: errorCodes.invalidInput });
  });

  it('is read each time: a changed file gives the new password', async () => {
    const file = join(directory, 'password');
    writeFileSync(file, 'first\nsecond line\n');
    assert.equal(await readPassword({ file }, signal), 'first');
    writeFileSync(file, 'changed\n');
    assert.equal(await readPassword({ file }, signal), 'changed');
  });

  it('is no folder, no device, no relative path', async () => {
    await assert.rejects(readPassword({ file: directory }, signal), { code: errorCodes.invalidFile });
    await assert.rejects(readPassword({ file: 'password' }, signal), { code: errorCodes.invalidInput });
    await assert.rejects(readPassword({ command: ['node', '-v'] }, signal), { code: errorCodes.invalidInput });
    if (process.platform !== 'win32') {
      await assert.rejects(readPassword({ file: '/dev/zero' }, signal), { code: errorCodes.invalidFile });
    }
  });

  it('may be a program: its first line counts, its arguments are not for a shell', async () => {
    const echo = script('console.log(process.argv[1]); console.log("more")', '$(id) "quoted" *');
    assert.equal(await readPassword(echo, signal), '$(id) "quoted" *');
  });

  it('says why a program gave none, and never what it was given or said', async () => {
    const failing = [
      [script('console.log("the-secret"); process.exit(3)', 'argument-secret'), /exit code 3/],
      [script('process.stdout.write("the-secret".repeat(100000))', 'argument-secret'), /says more/],
      [script('', 'argument-secret'), /no password/],
      [{ command: [join(directory, 'missing'), 'argument-secret'] }, /ENOENT/],
    ] as const;
    for (const [source, message] of failing) {
      const error = await readPassword(source, signal).then(
        () => assert.fail('it fails'),
        (thrown: unknown) => thrown,
      );
      assert.ok(TidemarkError.is(error, errorCodes.passwordUnavailable));
      assert.match(error.message, message);
      assert.doesNotMatch(JSON.stringify([error.report(), error.stack, error.cause]), /the-secret|argument-secret/);
    }
  });

  it('is given up when the request is', async () => {
    const controller = new AbortController();
    const waiting = readPassword(script('setTimeout(() => {}, 60000)'), controller.signal);
    controller.abort();
    await assert.rejects(waiting, { code: errorCodes.cancelled });
  });

  it('is remembered over a start, and what it gave is kept out of logs', async () => {
    const first = await SecretStore.open(directory);
    await first.set('hosts', 'hv01', script('console.log("from a program")'));
    await first.set('repositories', 'main', { file: join(directory, 'repository') });
    writeFileSync(join(directory, 'repository'), 'from a file\n');
    const second = await SecretStore.open(directory);
    assert.equal(await second.read('hosts', 'hv01', signal), 'from a program');
    assert.equal(await second.read('repositories', 'main', signal), 'from a file');
    assert.equal(second.redact('from a program, from a file'), '<redacted>, <redacted>');
  });
});
