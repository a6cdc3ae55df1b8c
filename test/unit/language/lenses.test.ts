import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';

import { codeLenses } from '../../../server/language/lenses.ts';
import { policyInventory } from '../../../server/protocol/policy-inventory.ts';
import { policyVmsTarget } from '../../../client/targets.ts';
import { applied, contextOf, documentOf, runId, sampleInventory, uri } from './support.ts';

const policy = 'name: nightly\nrepository: main\nselect:\n  - host: hv01\n    vms: [sql-*]\ntimezone: Europe/Warsaw\n';
const current = {
  version: 3,
  sha256: createHash('sha256').update(policy).digest('hex'),
  at: '2026-11-20T10:00:00Z',
  by: 'anna@laptop',
  change: 'applied',
};

function titles(text: string, context = contextOf()): readonly string[] {
  return codeLenses(documentOf(text), context).map(({ command }) => command?.title ?? '');
}

describe('code lenses', () => {
  it('offer to plan and to apply a policy that is not applied, and say how many VMs it takes in', () => {
    assert.deepEqual(titles(policy), ['$(search) Plan', '$(cloud-upload) Apply', 'Not applied', '2 VMs']);
  });

  it('name a few hundred VMs; of more the editor asks for the plan, which has all, unless the text has none', () => {
    const inventory = sampleInventory();
    const vms = Array.from({ length: 600 }, (_, index) => ({
      ...inventory.vms[0],
      id: `00000000-0000-0000-0000-${index.toString().padStart(12, '0')}`,
      name: `sql-${index}`,
    }));
    const context = contextOf({ inventory: policyInventory({ ...inventory, vms }, '') });
    const argument = (text: string): unknown => codeLenses(documentOf(text), context).at(-1)?.command?.arguments?.[0];
    assert.deepEqual(argument(policy), { policyUri: uri, policyName: 'nightly' });
    const cut = policyVmsTarget(argument(`${policy}verify: sometimes\n`), '');
    assert.equal(cut?.vms?.length, 500);
  });

  it('stand at the name, and tell the editor which file they are about', () => {
    const [plan, , , vms] = codeLenses(documentOf(`# head\n${policy}`), contextOf());
    assert.equal(plan?.range.start.line, 1);
    assert.deepEqual(plan?.command?.arguments, [{ policyUri: uri }]);
    assert.equal(plan?.command?.command, 'tidemark.policy.plan');
    assert.deepEqual(vms?.command?.arguments?.[0], {
      policyUri: uri,
      policyName: 'nightly',
      vms: [
        { host: 'hv01', vmId: '00000000-0000-0000-0000-000000000001', vmName: 'sql-01' },
        { host: 'hv01', vmId: '00000000-0000-0000-0000-000000000002', vmName: 'sql-test' },
      ],
    });
  });

  it('say when an applied policy runs next and how it ran last, by its own clocks', () => {
    const policies = [
      applied({
        current,
        nextRun: { at: '2026-11-29T01:00:00Z', type: 'full' },
        lastRun: { id: runId, state: 'failed', finishedAt: '2026-11-28T01:20:00Z', succeeded: 1, total: 2 },
      }),
    ];
    assert.deepEqual(titles(policy, contextOf({ applied: policies })), [
      '$(play) Run now',
      '$(search) Plan',
      'Applied (version 3)',
      '2 VMs',
      'Next run Sun 2026-11-29 02:00',
      'Last run failed Sat 2026-11-28 02:20, 1 of 2 VMs',
    ]);
    const last = codeLenses(documentOf(policy), contextOf({ applied: policies })).at(-1)?.command;
    assert.deepEqual([last?.command, last?.arguments], ['tidemark.run.show', [{ runId }]]);
  });

  it('say that the file was changed since it was applied, and offer to compare and to apply', () => {
    const lenses = codeLenses(documentOf(`${policy}# more\n`), contextOf({ applied: [applied({ current })] }));
    const changed = lenses.find(({ command }) => command?.title === 'Changed since applied (version 3)');
    assert.equal(changed?.command?.command, 'tidemark.policy.compare');
    assert.ok(lenses.some(({ command }) => command?.command === 'tidemark.policy.apply'));
  });

  it('say that a policy is paused', () => {
    const paused = { since: '2026-11-20T10:00:00Z', by: 'anna' };
    assert.ok(titles(policy, contextOf({ applied: [applied({ current, paused })] })).includes('$(debug-pause) Paused'));
  });

  it('do not offer to plan or apply a text with errors', () => {
    const found = titles(`${policy}nonsense: 1\n`, contextOf({ applied: [applied({ current })] }));
    assert.deepEqual(found, ['$(play) Run now', 'Changed since applied (version 3)', '2 VMs']);
  });

  it('offer no action in a workspace that is not trusted', () => {
    const lenses = codeLenses(
      documentOf(`${policy}#\n`),
      contextOf({ trusted: false, applied: [applied({ current })] }),
    );
    const commands = lenses.map(({ command }) => command?.command);
    assert.ok(
      commands.every((command) => command === '' || command === 'tidemark.policy.showVms'),
      commands.join(),
    );
  });

  it('are not there while the daemon is away, and without a name', () => {
    assert.deepEqual(titles(policy, contextOf({ inventory: undefined })), []);
    assert.deepEqual(titles('repository: main\n'), []);
  });
});
