import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { AuditFile, auditLine } from '../../../server/agent/audit.ts';
import { silentLogger } from '../../../server/base/log.ts';

const time = new Date('2026-03-04T05:06:07Z');

test('an event is one line of JSON with the time first', () => {
  assert.equal(
    auditLine({ action: 'login', result: 'ok', address: '192.0.2.7', owner: undefined }, time),
    '{"time":"2026-03-04T05:06:07.000Z","action":"login","result":"ok","address":"192.0.2.7"}',
  );
});

test('a name cannot forge a line, whatever it holds', () => {
  const hostile = [
    'a\n{"time":"2020","action":"login","result":"ok"}',
    '\r\u0085\u2028\u2029',
    '"}\u0000\u001B[2J',
    '\u202Efdp.exe\u2066',
  ];
  const check = (name: string): void => {
    const line = auditLine({ action: 'restore-begun', result: 'ok', vmName: name }, time);
    // oxlint-disable-next-line no-control-regex -- it is about those
    assert.doesNotMatch(line, /[\u0000-\u001F\u007F-\u009F\u2028\u2029\u202A-\u202E\u2066-\u2069]/);
    const parsed: unknown = JSON.parse(line);
    assert.ok(typeof parsed === 'object' && parsed !== null && 'vmName' in parsed && 'action' in parsed);
    assert.equal(parsed.action, 'restore-begun');
    const cut = name.length > 256 ? `${name.slice(0, 256)}…` : name;
    assert.equal(parsed.vmName, cut);
  };
  for (const name of hostile) check(name);
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 400 }), check));
});

test('the file is rotated and bounded', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-audit-'));
  try {
    using audit = new AuditFile(join(directory, 'audit.log'), silentLogger, {
      maxBytes: 1000,
      keep: 3,
      now: () => time,
    });
    for (let number = 0; number < 200; number++) audit.note({ action: 'login', result: 'ok', number });
    assert.deepEqual(readdirSync(directory).toSorted(), ['audit.log', 'audit.log.1', 'audit.log.2', 'audit.log.3']);
    assert.match(readFileSync(join(directory, 'audit.log'), 'utf8'), /"number":199}\n$/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
