/** `kill -9` of the agent at each step of a backup, as the host takes them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { atEach, checkSurvived, death, siteWithBackup } from './support/crash.ts';
import { providerKind } from './support/hosts.ts';

const simulatedSteps = [
  ['checkpoint:leaf', 'checkpoint:tracking', 'checkpoint:disk', 'checkpoint:saved'],
  ['export:staged', 'export:opened', 'export:read'],
  ['convert:before', 'convert:decided', 'merge:before', 'merge:merged', 'merge:saved', 'merge:removed'],
  ['reference-point:removed'],
];

/** Those of server/agent/hyperv; Hyper-V itself lives on when the agent dies. */
const hypervSteps = [
  ['hyperv.checkpoint:recorded', 'hyperv.checkpoint:started', 'hyperv.checkpoint:job-done'],
  ['hyperv.checkpoint:resolved', 'hyperv.checkpoint:named', 'hyperv.checkpoint:done'],
  ['hyperv.export:found', 'hyperv.export:opened', 'hyperv.export:read'],
  ['hyperv.convert:recorded', 'hyperv.convert:started', 'hyperv.convert:converted'],
  ['hyperv.convert:point-recorded', 'hyperv.convert:merged'],
  ['hyperv.reference-point:removing', 'hyperv.reference-point:removed'],
];

for (const steps of providerKind === 'hyperv' ? hypervSteps : simulatedSteps) {
  test(`the agent killed at a step of a backup: ${steps.join(', ')}`, { timeout: 200_000 }, async (t) => {
    const { site, first } = await siteWithBackup(t);
    let last = first;
    await atEach(steps, async (step) => {
      await site.guestWrites(4);
      await site.stopAgent('hv01');
      const agent = await site.startAgent('hv01', { failpoint: `agent.${step}` });
      const run = await site.tryBackup();
      await death(agent);
      if (run.state !== 'succeeded') assert.ok(run.error?.hint !== undefined, 'the failure says what to do');
      await site.startAgent('hv01');
      last = await checkSurvived(site, last);
    });
  });
}
