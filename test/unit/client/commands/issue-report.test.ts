import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { issueReport, withoutSecrets } from '../../../../client/commands/flows/issue-report.ts';
import type { IssueFacts } from '../../../../client/commands/flows/issue-report.ts';
import { newRecoveryKey } from '../../../../server/repository/recovery-key.ts';

const facts: IssueFacts = {
  versions: { Tidemark: '0.1.0', Node: '24.21.0' },
  settings: {},
  connection: 'connected',
  counts: { hosts: 2 },
  extensionLog: '',
  daemonLog: '',
  privateTexts: ['/home/alice', 'alice'],
};
const hex = fc.string({ unit: fc.constantFrom(...Array.from('0123456789abcdef')), minLength: 32, maxLength: 64 });

test('The report has versions, state and the ends of both logs, for somebody to read', () => {
  const text = issueReport({ ...facts, extensionLog: 'activated in 3 ms\n', daemonLog: 'started\n' });
  for (const part of ['- Tidemark: 0.1.0', '- hosts: 2', '- connection: connected', 'activated in 3 ms', 'started']) {
    assert.ok(text.includes(part), part);
  }
});

test('A log without lines has no section, and a long one is cut at its beginning', () => {
  assert.ok(!issueReport(facts).includes('Log of the daemon'));
  const lines = Array.from({ length: 1000 }, (_, index) => `line ${index}.`);
  const text = issueReport({ ...facts, daemonLog: lines.join('\n') });
  assert.ok(text.includes('line 999.') && text.includes('line 850.'));
  assert.ok(!text.includes('line 849.'));
});

test('A log cannot end its own fence', () => {
  const text = issueReport({ ...facts, daemonLog: '````\n# not a heading' });
  assert.equal(text.match(/````/g)?.length, 2);
});

test('Passwords, tokens and keys never appear, wherever they stand', () => {
  fc.assert(
    fc.property(
      hex,
      fc.string({ unit: fc.constantFrom(...Array.from('abcDEF123')), minLength: 8, maxLength: 20 }),
      (token, password) => {
        const lines = [
          `password: ${password}`,
          `{"password":"${password}","token":"${token}"}`,
          `https://user:${password}@hv01:8440/`,
          `key ${token} end`,
          `recoveryKey=${password}`,
        ];
        const log = lines.join('\n');
        const text = issueReport({
          ...facts,
          settings: { 'tidemark.daemon.address': `https://me:${password}@backup01` },
          connection: `failed: TM5002 token=${token}`,
          extensionLog: log,
          daemonLog: log,
        });
        assert.ok(!text.includes(token), text);
        assert.ok(!text.includes(password), text);
      },
    ),
  );
});

test('A recovery key never appears, even where nothing says what it is', () => {
  for (let round = 0; round < 20; round++) {
    const key = newRecoveryKey();
    for (const log of [`made main ${key}`, key, `"${key}"`, key.replaceAll('-', ' ')]) {
      const text = issueReport({ ...facts, daemonLog: log });
      for (const group of key.split('-').slice(0, 3)) assert.ok(!text.includes(group), text);
    }
  }
});

test('Fingerprints and base64 tokens are blanked; ids, times, versions and paths stay', () => {
  const secret = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url');
  assert.equal(withoutSecrets(`a ${secret}`, []).includes(secret), false);
  const plain = 'run 01K7Z3V9Q2M4N6P8R0S2T4V6X8 at 2026-01-31T02:00:00.000Z, daemon 0.1.0, /srv/backup/main, TM2001';
  assert.equal(withoutSecrets(plain, []), plain);
});

test('The home folder and the name of the user are blanked, and nothing that only holds the name', () => {
  const text = withoutSecrets('/home/alice/.local/share, alice, malice', ['alice', '/home/alice']);
  assert.equal(text, '~/.local/share, <user>, malice');
});
