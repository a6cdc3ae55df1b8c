import assert from 'node:assert/strict';
import { test } from 'node:test';

import { inOneLine, withoutLinks } from '../../../client/base/plain-text.ts';

test('a name of a VM that looks like a link to a command is no link in a message', () => {
  const hostile = 'Back up [sql01](command:workbench.action.quit) now';
  assert.equal(withoutLinks(hostile), 'Back up [sql01] (command:workbench.action.quit) now');
  // What VS Code looks for in messages.
  assert.doesNotMatch(withoutLinks(hostile), /\[[^\]]+\]\((?:https?:\/\/|command:|file:)/);
});

test('a name of a VM in a row is one line, and does not turn the direction of what stands behind it', () => {
  assert.equal(inOneLine('line\r\nbreak\u001B[31m \u202Egnp.exe\u2066'), 'line break [31m  gnp.exe ');
  assert.equal(inOneLine('Zürich 日本語 (שלום)'), 'Zürich 日本語 (שלום)');
});
