import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import * as agent from '../../../server/protocol/agent.ts';
import * as daemon from '../../../server/protocol/daemon.ts';

const text = await readFile(new URL('../../../docs/protocol.md', import.meta.url), 'utf8');

/** Names of all messages that a protocol file declares. */
function methodsOf(declarations: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.values(declarations).flatMap((value) =>
    typeof value === 'object' && value !== null && 'method' in value && typeof value.method === 'string'
      ? [value.method]
      : [],
  );
}

test('docs/protocol.md names every message of both protocols, and no other', () => {
  const declared = new Set([...methodsOf(agent), ...methodsOf(daemon)]);
  assert.ok(declared.size > 30);
  const documented = new Set(Array.from(text.matchAll(/`(tidemark(?:\/[A-Za-z]+){2})`/g), ([, method]) => method));
  assert.deepEqual(documented, declared);
});
