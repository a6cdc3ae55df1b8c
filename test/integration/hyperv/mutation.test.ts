/**
 * Whether the fake Hyper-V is strict: the module and the provider pass a scenario over it, and with any one of many mistakes in them they do not. A
 * mistake that passes is a hole in the fake or in the scenario; one whose place is not found any more must be written anew.
 */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { skipWithoutDotnet } from '../../support/hyperv/pwsh.ts';
import { onBench } from './mutation/bench.ts';
import { mutations } from './mutation/mutations.ts';
import type { Edit } from './mutation/mutant.ts';
import { parts } from './mutation/scenario.ts';
import type { PartName } from './mutation/scenario.ts';

const concurrency = Math.min(2, availableParallelism());

/** Milliseconds after which a part is not waited for any more; many times what it takes. */
const hungMs = 40_000;

async function hung(): Promise<never> {
  await sleep(hungMs, undefined, { ref: false });
  throw new Error('It does not come to an end.');
}

/** Runs one part; what it failed with, or undefined. */
async function failureOf(name: PartName, edits: readonly Edit[]): Promise<unknown> {
  const { host, run } = parts[name];
  let failure: unknown;
  await onBench(edits, host, async (bench) => {
    try {
      await Promise.race([run(bench), hung()]);
    } catch (error) {
      failure = error ?? new Error('Something was thrown.');
    }
  });
  return failure;
}

describe('The scenario of the mutation check', { concurrency }, () => {
  for (const name of Object.keys(parts).filter(isPartName)) {
    it(`passes with everything as it is: ${name}`, async (t) => {
      if (skipWithoutDotnet(t)) return;
      assert.equal(await failureOf(name, []), undefined);
    });
  }
});

describe('The scenario of the mutation check fails with', { concurrency }, () => {
  for (const { name, part, edits } of mutations) {
    it(name, async (t) => {
      if (skipWithoutDotnet(t)) return;
      const failure = await failureOf(part, edits);
      assert.notEqual(failure, undefined, `"${part}" passes with this mistake in it`);
      t.diagnostic(`${part}: ${String(failure).split('\n', 1)[0]}`);
    });
  }
});

function isPartName(name: string): name is PartName {
  return Object.hasOwn(parts, name);
}
