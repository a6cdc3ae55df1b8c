import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

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

test('The page for administrators of hosts says what to do about each error code of agents and Hyper-V, once', async () => {
  const page = await readFile(new URL('../../../docs/install-agent.md', import.meta.url), 'utf8');
  const named = [...page.matchAll(/^\| (TM\d{4}(?:, TM\d{4})*) \|/gm)].flatMap(([, codes = '']) => codes.split(', '));
  const ofHosts = Object.values(errorCodes).filter((code) => code.startsWith('TM2'));
  assert.deepEqual(named.toSorted(), ofHosts.toSorted());
});

test('docs/architecture.md names every failpoint of the daemon, and no other', async () => {
  const daemon = fileURLToPath(new URL('../../../server/daemon', import.meta.url));
  const named = new Set<string>();
  for (const file of await readdir(daemon, { recursive: true })) {
    if (!file.endsWith('.ts')) continue;
    const source = await readFile(join(daemon, file), 'utf8');
    for (const [, name = ''] of source.matchAll(/failpoint\('([^']+)'\)/g)) named.add(name);
  }
  const page = await readFile(new URL('../../../docs/architecture.md', import.meta.url), 'utf8');
  const families = [...new Set([...named].map((name) => name.slice(0, name.indexOf('.'))))];
  const documented = [...page.matchAll(new RegExp(`\`((?:${families.join('|')})\\.[a-z0-9-]+)\``, 'g'))];
  assert.ok(named.size > 0);
  assert.deepEqual(new Set(documented.map(([, name]) => name)), named);
});
