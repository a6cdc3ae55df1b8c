import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { helpPage } from '../../../client/policy/policy-help-model.ts';
import { diagnosticCodes } from '../../../server/policy/index.ts';

const guide = readFileSync(new URL('../../../docs/policies.md', import.meta.url), 'utf8');

test('Every diagnostic has a page of its own, with nothing of the others', () => {
  for (const code of Object.values(diagnosticCodes)) {
    const page = helpPage(guide, code, '/policies.md');
    assert(page !== undefined, code);
    assert.ok(page.startsWith(`# ${code}\n`));
    assert.ok(page.length > `# ${code}\n\n`.length + 20, `${code} is explained`);
    assert.equal(/^#{2,3} /m.exec(page), null, `${code} ends where the next section begins`);
    assert.doesNotMatch(page, /\]\(#/, 'links to other sections lead to the guide');
  }
});

test('A page keeps what is its own and leads elsewhere through the guide', () => {
  const text = '# Guide\n\n### TM7101\n\nSee [retention](#retention).\n\n#### More\n\nText.\n\n## Next\n\nOther.\n';
  assert.equal(
    helpPage(text, 'TM7101', '/g.md'),
    '# TM7101\n\nSee [retention](/g.md#retention).\n\n#### More\n\nText.\n',
  );
  assert.equal(helpPage(text, 'TM7102', '/g.md'), undefined);
});
