import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { checkPolicy, diagnosticCodes, parsePolicy } from '../../../server/policy/index.ts';
import { policyGuideFile, withKeyTable } from '../../support/policy-schema-file.ts';
import { fixtures } from '../policy/fixture.ts';
import { now } from '../policy/world.ts';

const guide = await readFile(policyGuideFile, 'utf8');

/** The sections of diagnostics, by code: their headings are the codes alone, so that the links of the editor lead there. */
const sections = new Map(
  [...guide.matchAll(/^### (TM\d+)\n\n((?:.|\n(?!#))*)/gm)].map(([, code = '', text = '']) => [code, text] as const),
);

test('The guide to policies has the table of keys that the model gives: npm run schema', () => {
  assert.equal(guide, withKeyTable(guide));
  assert.match(guide, /^\| `select\[\]\.vms` \|/m);
});

test('The guide to policies explains every code of a diagnostic, and no other', () => {
  assert.deepEqual([...sections.keys()].sort(), Object.values(diagnosticCodes).sort());
});

test('The guide to policies tells the severity of each diagnostic', () => {
  for (const { markers } of fixtures()) {
    for (const { code, severity } of markers)
      assert.match(sections.get(code) ?? '', new RegExp(`\\b${severity}\\b`, 'i'), code);
  }
});

test('The examples in the guide to policies are policies, and their schedules fire', () => {
  const examples = [...guide.matchAll(/^```yaml\n(name: (?:.|\n)*?)^```/gm)].map(([, text = '']) => text);
  assert.equal(examples.length, 2);
  const crons = [...guide.matchAll(/^\| `("[^`]*")` \|/gm)].map(([, cron = '']) => cron);
  assert.ok(crons.length >= 8);
  const withCrons = `name: a\nrepository: b\nselect: [{ host: a, vms: [b] }]\nschedule:\n${crons.map((cron) => `  - cron: ${cron}\n`).join('')}`;
  for (const text of [...examples, withCrons]) {
    const found = checkPolicy(parsePolicy(text), { now, inventory: undefined, others: [] });
    assert.deepEqual(
      found.filter(({ severity }) => severity === 'error'),
      [],
    );
  }
});
