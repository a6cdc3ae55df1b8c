import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fileVersionOf } from '../../../scripts/agent-package/file-versions.mjs';

/** VS_FIXEDFILEINFO of version 24.21.3.4, up to its product version. */
const fixedInfo = Buffer.from('bd04effe000001001500180004000300', 'hex');

test('the version of a program is the one that Windows compares', () => {
  assert.equal(fileVersionOf(Buffer.concat([Buffer.from('MZ and more'), fixedInfo, Buffer.alloc(40)])), '24.21.3.4');
});

test('a program with no version, or with two, is refused: the MSI would replace it or not by chance', () => {
  assert.throws(() => fileVersionOf(Buffer.from('MZ and more')), /one version/);
  assert.throws(() => fileVersionOf(Buffer.concat([fixedInfo, fixedInfo])), /one version/);
});
