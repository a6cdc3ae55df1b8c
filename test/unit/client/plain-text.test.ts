import assert from 'node:assert/strict';
import { test } from 'node:test';

import { withoutLinks } from '../../../client/base/plain-text.ts';

test('a name of a VM that looks like a link to a command is no link in a message', () => {
  const hostile = 'Back up [sql01](command:workbench.action.quit) now';
  assert.equal(withoutLinks(hostile), 'Back up [sql01] (command:workbench.action.quit) now');
  // What VS Code looks for in messages.
  assert.doesNotMatch(withoutLinks(hostile), /\[[^\]]+\]\((?:https?:\/\/|command:|file:)/);
});
