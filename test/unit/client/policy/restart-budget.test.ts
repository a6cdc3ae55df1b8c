import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RestartBudget } from '../../../../client/policy/restart-budget.ts';

test('a server that ends is started again a few times, and again when a while has passed', () => {
  let now = 0;
  const budget = new RestartBudget(2, 1000, () => now);
  assert.deepEqual([budget.spend(), budget.spend(), budget.spend()], [true, true, false]);
  now = 1000;
  assert.equal(budget.spend(), true);
});

test('when the user starts it, all counts anew', () => {
  const budget = new RestartBudget(1, 1000, () => 0);
  budget.spend();
  assert.equal(budget.spend(), false);
  budget.renew();
  assert.equal(budget.spend(), true);
});
