import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { errorCodes } from '../../../server/protocol/errors.ts';
import { cliReference, cliReferenceFile } from '../../support/cli-reference.ts';

test('docs/cli.md is what the commands print; `npm run docs` writes it', async () => {
  assert.equal(await readFile(cliReferenceFile, 'utf8'), cliReference());
});

test('The user guide explains every error code once, under its name in errors.ts', async () => {
  const guide = await readFile(new URL('../../../docs/user-guide.md', import.meta.url), 'utf8');
  const rows = [...guide.matchAll(/^\| (TM\d{4}) \| `(\w+)` \| (.+) \| (.+) \|$/gm)].map(
    ([, code, name]) => [name, code] as const,
  );
  assert.equal(new Set(rows.map(([, code]) => code)).size, rows.length, 'no code twice');
  assert.deepEqual(Object.fromEntries(rows), { ...errorCodes });
});
