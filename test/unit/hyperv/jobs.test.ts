import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';

import { silentLogger } from '../../../server/base/log.ts';
import type { Command } from '../../../server/agent/hyperv/commands/command.ts';
import type { Job } from '../../../server/agent/hyperv/commands/jobs.ts';
import { hypervError } from '../../../server/agent/hyperv/failures/errors.ts';
import { waitForJob } from '../../../server/agent/hyperv/calls/jobs.ts';
import type { JobEnding, JobWait } from '../../../server/agent/hyperv/calls/jobs.ts';
import type { PowerShell } from '../../../server/agent/hyperv/powershell/index.ts';
import { cancelledError, errorCodes } from '../../../server/protocol/errors.ts';
import { FakeClock, settle } from '../../support/hyperv/fake-clock.ts';

const minute = 60_000;
const running: Job = {
  jobState: 4,
  jobType: 70,
  percent: 0,
  errorCode: 0,
  errorDescription: '',
  cancellable: true,
  completionStatus: 0,
  errors: [],
};

/** One answer to a question for the job: a job, none, an error, or no answer yet. */
type Step = Partial<Job> | null | Error | 'hang';

let clock: FakeClock;
/** The answers to come; the last one stays. */
let steps: Step[];
let stopAnswers: (number | null | Error)[];
let calls: { readonly at: number; readonly name: string; readonly args: object }[];
let percents: number[];

beforeEach(() => {
  clock = new FakeClock();
  steps = [];
  stopAnswers = [0];
  calls = [];
  percents = [];
});

async function reply(name: string): Promise<unknown> {
  if (name === 'Stop-TidemarkJob') {
    const returnValue = stopAnswers.length > 1 ? stopAnswers.shift() : stopAnswers[0];
    if (returnValue instanceof Error) throw returnValue;
    return { returnValue };
  }
  const step = steps.length > 1 ? steps.shift() : steps[0];
  if (step instanceof Error) throw step;
  if (step === 'hang') return await new Promise<never>(() => undefined);
  return { job: step === null ? null : { ...running, ...step } };
}

const powershell: PowerShell = {
  invoke: async <A extends object, R>(command: Command<A, R>, args: A): Promise<R> => {
    calls.push({ at: clock.now(), name: command.name, args });
    return command.result(await reply(command.name), 'the answer');
  },
  [Symbol.asyncDispose]: async () => undefined,
};

function wait(options: Partial<JobWait> = {}): Promise<string | undefined> {
  return waitForJob(
    powershell,
    { state: 'started', jobId: 'JOB' },
    {
      name: 'Start-TidemarkCheckpoint',
      signal: new AbortController().signal,
      progress: (percent) => percents.push(percent),
      clock,
      log: silentLogger,
      ...options,
    },
  );
}

/** Lets time go by until the promise is settled; the time that took. */
async function finish<T>(promise: Promise<T>, limitMs = 24 * 60 * minute): Promise<T> {
  const settled = { yet: false };
  const watched = promise.finally(() => {
    settled.yet = true;
  });
  watched.catch(() => undefined);
  await settle();
  while (!settled.yet && clock.now() < limitMs) await clock.advance(100);
  return await watched;
}

const lost = (): Error => hypervError(errorCodes.hypervServiceLost, 'x', { retry: true });
const stops = (): number => calls.filter(({ name }) => name === 'Stop-TidemarkJob').length;

describe('A job of Hyper-V', () => {
  it('that was done at once needs no question', async () => {
    const done = waitForJob(
      powershell,
      { state: 'done' },
      { name: 'x', signal: AbortSignal.abort(), log: silentLogger },
    );
    assert.equal(await done, undefined);
    assert.equal(calls.length, 0);
  });

  for (const state of [2, 3, 4, 5, 6, 11, 12, 0, 1, 99]) {
    it(`goes on in the state ${state}`, async () => {
      steps = [{ jobState: state }, { jobState: state }, { jobState: 7, percent: 100 }];
      await finish(wait());
      assert.equal(calls.length, 3);
    });
  }

  it('is done in the state 7 without an error, and only then', async () => {
    steps = [{ jobState: 7 }];
    assert.equal(await finish(wait()), undefined);
    steps = [{ jobState: 7, errorCode: 32_774 }];
    await assert.rejects(finish(wait()), { code: 'TM2219' });
    steps = [{ jobState: 7, completionStatus: 0x80070070 }];
    await assert.rejects(finish(wait()), { code: 'TM2115' });
  });

  it('that was completed with a warning is done, and says its warning', async () => {
    steps = [{ jobState: 32_768, errors: [{ message: 'Ein Datenträger\nwurde übersprungen.', messageId: '1' }] }];
    assert.equal(await finish(wait()), 'Hyper-V completed it with a warning. Ein Datenträger wurde übersprungen.');
    steps = [{ jobState: 32_768, errorCode: 32_769 }];
    await assert.rejects(finish(wait()), { code: 'TM2205' });
  });

  for (const state of [8, 9, 10]) {
    it(`has failed in the state ${state}, with what its error means`, async () => {
      steps = [{ jobState: state, errorCode: 32_768, errorDescription: 'Fehler (0x800423F4).' }];
      await assert.rejects(finish(wait()), { code: 'TM2108', message: /It says: Fehler \(0x800423F4\)\.$/ });
      steps = [{ jobState: state }];
      await assert.rejects(finish(wait()), { code: 'TM2107' });
    });
  }

  it('is asked for after 20 milliseconds at first, then ever less often, up to 2 seconds', async () => {
    steps = [...Array.from({ length: 15 }, (_, percent) => ({ percent })), { jobState: 7 }];
    await finish(wait());
    const pauses = calls.map(({ at }, index) => Math.round(at - (calls[index - 1]?.at ?? 0))).slice(1);
    assert.deepEqual(pauses.slice(0, 3), [20, 40, 80]);
    assert.equal(pauses.at(-1), 2000);
    assert.deepEqual(
      pauses,
      pauses.toSorted((a, b) => a - b),
    );
    assert.deepEqual(calls[0]?.args, { JobId: 'JOB' });
  });

  it('tells percents that never fall, and 100 at its end', async () => {
    steps = [
      { percent: 0 },
      { percent: 20 },
      { percent: 10 },
      { percent: 20 },
      { percent: 70 },
      { jobState: 7, percent: 70 },
    ];
    await finish(wait());
    assert.deepEqual(percents, [0, 20, 70, 100]);
  });

  it('that vanishes has an unknown outcome, whether it was seen or not', async () => {
    for (const seen of [[], [{ percent: 50 }]]) {
      steps = [...seen, null];
      await assert.rejects(finish(wait()), { code: 'TM2209', message: /take the checkpoint: it vanished/ });
    }
  });

  it('is asked for again when the management service restarts or PowerShell fails', async () => {
    const failures = [
      lost(),
      hypervError(errorCodes.powerShellFailed, 'x'),
      hypervError(errorCodes.hostNotAnswering, 'x'),
    ];
    steps = [{ percent: 10 }, ...failures, { percent: 20 }, ...failures, { jobState: 7 }];
    await finish(wait());
    const pauses = calls.map(({ at }, index) => Math.round(at - (calls[index - 1]?.at ?? 0))).slice(2, 5);
    assert.deepEqual(pauses, [1000, 2000, 4000]);
  });

  it('that can be asked for no more has an unknown outcome, after minutes and not after ever', async () => {
    steps = [{ percent: 10 }, lost()];
    await assert.rejects(finish(wait()), { code: 'TM2209' });
    assert(clock.now() >= 10 * minute && clock.now() < 12 * minute, `${clock.now()}`);
    assert.equal(stops(), 0, 'nobody wanted it to end');
  });

  it('with the pool that is being disposed has an unknown outcome at once', async () => {
    steps = [cancelledError()];
    await assert.rejects(finish(wait()), { code: 'TM2209', message: /the agent was stopped/ });
    assert.equal(calls.length, 1);
  });

  it('is left alone when the agent stops', async () => {
    const lifetime = new AbortController();
    steps = [{ percent: 10 }];
    const waiting = assert.rejects(wait({ lifetime: lifetime.signal }), { code: 'TM2209', message: /was stopped/ });
    await clock.advance(5000);
    lifetime.abort();
    await waiting;
    assert.equal(stops(), 0);
    assert.equal(clock.pending, 0);
  });
});

describe('A job without progress', () => {
  it('is cancelled when it is quiet for longer than its type may be, and the error says so', async () => {
    steps = [{ percent: 40 }];
    stopAnswers = [4096];
    const waiting = wait();
    waiting.catch(() => undefined);
    await clock.advance(29 * minute);
    assert.equal(stops(), 0);
    await clock.advance(minute + 5000);
    assert.equal(stops(), 1);
    steps = [{ jobState: 8 }];
    await assert.rejects(finish(waiting), { code: 'TM2208', message: /take the checkpoint: it made no progress/ });
  });

  it('has its time anew whenever its percent or its state changes', async () => {
    const waiting = wait();
    for (const step of [{ jobState: 2 }, { jobState: 3 }, { percent: 1 }, { percent: 2 }, { percent: 1 }]) {
      steps = [step];
      await clock.advance(25 * minute);
    }
    assert.equal(stops(), 0);
    steps = [{ jobState: 7 }];
    await finish(waiting);
  });

  it('that is done after all when it is cancelled counts as done', async () => {
    steps = [{ percent: 40 }];
    stopAnswers = [4097];
    const waiting = wait();
    await clock.advance(30 * minute + 5000);
    assert.equal(stops(), 1);
    steps = [{ jobState: 7 }];
    assert.equal(await finish(waiting), undefined);
  });

  it('and that does not end when it is cancelled gives control back, and is followed in the background', async () => {
    steps = [{ percent: 40 }];
    let ending: Promise<JobEnding> | undefined;
    const waiting = wait({
      abandoned: (promise) => {
        ending = promise;
      },
    });
    await assert.rejects(finish(waiting), { code: 'TM2208' });
    assert(clock.now() < 32 * minute);
    assert(ending);
    steps = [{ jobState: 7 }];
    assert.deepEqual(await finish(ending), { state: 'succeeded', warning: undefined });
  });

  it('may be quiet for as long as a merge takes', async () => {
    steps = [{ percent: 40, jobType: 72 }];
    const waiting = wait();
    await clock.advance(59 * minute);
    assert.equal(stops(), 0);
    steps = [{ jobState: 7 }];
    await finish(waiting);
  });
});

describe('A job whose caller gives up', () => {
  let controller: AbortController;
  let ending: Promise<JobEnding> | undefined;
  const abandoned = (promise: Promise<JobEnding>): void => {
    assert.equal(ending, undefined, 'told once');
    ending = promise;
  };

  beforeEach(() => {
    controller = new AbortController();
    ending = undefined;
  });

  /** Begins to wait, gives up after `ms`, and sees that control comes back without any time going by. */
  async function giveUp(ms: number): Promise<{ readonly end: Promise<JobEnding> }> {
    const waiting = assert.rejects(wait({ signal: controller.signal, abandoned }), { code: 'TM1999' });
    await clock.advance(ms);
    const before = clock.now();
    controller.abort();
    await waiting;
    assert.equal(clock.now(), before);
    assert(ending);
    return { end: ending };
  }

  it('is cancelled once on the host, and then followed until it has ended', async () => {
    steps = [{ percent: 40 }];
    const { end } = await giveUp(5000);
    await clock.advance(10_000);
    assert.equal(stops(), 1);
    steps = [{ jobState: 8 }];
    const { state } = await finish(end);
    assert.equal(state, 'failed');
    assert.equal(stops(), 1);
    assert.deepEqual(percents, [40], 'nothing is reported to one who is gone');
  });

  it('may have made what it should: its end says so', async () => {
    steps = [{ percent: 99 }];
    stopAnswers = [4097];
    const { end } = await giveUp(1000);
    steps = [{ jobState: 7, percent: 100 }];
    assert.deepEqual(await finish(end), { state: 'succeeded', warning: undefined });
  });

  it('is given back at once also while PowerShell hangs or the service is away', async () => {
    steps = ['hang'];
    await giveUp(1000);
    ending = undefined;
    controller = new AbortController();
    steps = [lost()];
    const { end } = await giveUp(60_000);
    steps = [null];
    assert.equal((await finish(end)).state, 'unknown');
  });

  it('before it began is cancelled all the same', async () => {
    steps = [{ percent: 0 }];
    controller.abort();
    await assert.rejects(wait({ signal: controller.signal, abandoned }), { code: 'TM1999' });
    await clock.advance(1000);
    assert.equal(stops(), 1);
    assert(ending);
    steps = [{ jobState: 9 }];
    assert.equal((await finish(ending)).state, 'failed');
  });

  it('that is busy is asked again to end; one that cannot be cancelled is not asked until it can', async () => {
    steps = [{ percent: 1 }];
    stopAnswers = [4099, lost(), 4096];
    const { end } = await giveUp(100);
    await clock.advance(20_000);
    assert.equal(stops(), 3);
    steps = [{ jobState: 8 }];
    await finish(end);

    calls = [];
    ending = undefined;
    controller = new AbortController();
    steps = [{ cancellable: false }];
    const { end: other } = await giveUp(100);
    await clock.advance(20_000);
    assert.equal(stops(), 0);
    steps = [{ cancellable: true }];
    await clock.advance(5000);
    assert.equal(stops(), 1);
    steps = [{ jobState: 8 }];
    await finish(other);
  });

  it('and that does not end is followed for a bounded time', async () => {
    steps = [{ percent: 40 }];
    const { end } = await giveUp(1000);
    const { state } = await finish(end);
    assert.equal(state, 'unknown');
    assert(clock.now() >= 10 * minute && clock.now() < 11 * minute);
    assert.equal(clock.pending, 0);
  });

  it('has its result when it ended in the same moment: what it made is never lost', async () => {
    const { promise, resolve } = Promise.withResolvers<Job>();
    const slow: PowerShell = {
      ...powershell,
      invoke: async <A extends object, R>(command: Command<A, R>): Promise<R> =>
        command.result({ job: await promise }, 'the answer'),
    };
    let told = false;
    const waiting = waitForJob(
      slow,
      { state: 'started', jobId: 'JOB' },
      {
        name: 'x',
        signal: controller.signal,
        abandoned: () => {
          told = true;
        },
        clock,
        log: silentLogger,
      },
    );
    resolve({ ...running, jobState: 7 });
    await settle();
    controller.abort();
    assert.equal(await waiting, undefined);
    assert.equal(told, false);
  });
});
