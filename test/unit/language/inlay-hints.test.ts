import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { inlayHints } from '../../../server/language/inlay-hints.ts';
import { contextOf, documentOf } from './support.ts';

const text = `name: x
select:
  - host: hv*
    vms: [sql-*, sql-01]
    exclude: [sql-test]
schedule:
  - cron: "0 2 * * SUN"
  - cron: "no"
`;

function hints(context = contextOf(), lines = { from: 0, to: 100 }): readonly string[] {
  const document = documentOf(text);
  const range = { start: { line: lines.from, character: 0 }, end: { line: lines.to, character: 0 } };
  return inlayHints(document, range, context).map(({ position, label }) => {
    const before = text.split('\n')[position.line]?.slice(0, position.character).trim();
    return `${before ?? ''} → ${JSON.stringify(label)}`;
  });
}

describe('inlay hints', () => {
  it('say what a cron means, how many hosts and VMs a pattern names, and how many an exclusion leaves out', () => {
    assert.deepEqual(hints(), [
      '- host: hv* → "2 hosts"',
      'vms: [sql-* → "3 VMs"',
      'exclude: [sql-test → "leaves out 1 VM"',
      '- cron: "0 2 * * SUN" → "at 02:00 on Sunday"',
    ]);
  });

  it('are those of the shown lines', () => {
    assert.deepEqual(hints(contextOf(), { from: 5, to: 8 }), ['- cron: "0 2 * * SUN" → "at 02:00 on Sunday"']);
  });

  it('leave names alone while the daemon is away', () => {
    assert.deepEqual(hints(contextOf({ inventory: undefined })), ['- cron: "0 2 * * SUN" → "at 02:00 on Sunday"']);
  });
});
