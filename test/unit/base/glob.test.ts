import assert from 'node:assert/strict';
import { it } from 'node:test';

import * as fc from 'fast-check';

import { matchesGlob } from '../../../server/base/glob.ts';

it('matches as the same pattern does as a regular expression', () => {
  const letters = fc.constantFrom('a', 'B', '.', '*', '?');
  const pattern = fc.array(letters, { maxLength: 8 }).map((parts) => parts.join(''));
  const name = fc.array(fc.constantFrom('a', 'b', 'A', '.', 'x'), { maxLength: 8 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(pattern, name, (glob, text) => {
      const source = glob.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.');
      assert.equal(matchesGlob(glob, text), new RegExp(`^${source}$`, 'i').test(text));
    }),
  );
});

it('ends soon for a pattern that would make a regular expression go back for ever', () => {
  assert.equal(matchesGlob(`${'*a'.repeat(60)}b`, 'a'.repeat(128)), false);
});
