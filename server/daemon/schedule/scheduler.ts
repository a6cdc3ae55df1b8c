/**
 * Starts the runs of policies when they are due. Wall clocks are set, machines sleep and daemons end, so nothing follows from timers alone: at each
 * wake-up what came due since the last one is looked up, and how far that went is durable before a run starts.
 */
import type { Logger } from '../../base/log.ts';
import { ulid } from '../../base/ulid.ts';
import { policyTimezone } from '../../policy/index.ts';
import { nextRuns } from '../../policy/schedule/runs.ts';
import { startOf } from '../../policy/schedule/window.ts';
import type { NextRun, RunInfo, RunRequest } from '../../protocol/daemon.ts';
import type { ActivePolicy, Policies, ScheduleView } from '../policies/api.ts';
import { isFinished } from '../../protocol/daemon.ts';
import type { ScheduleState, ScheduleStore, StartedRun, WaitingRun } from '../store/schedule-store.ts';
import { longestTimerMs } from './clock.ts';
import type { Clock } from './clock.ts';
import { decideDue, merged, timestampOf } from './due.ts';
import type { DueDecision } from './due.ts';
import { isLeftOut, LeftOut } from './left-out.ts';
import type { LeftOutRuns } from './left-out.ts';

/** What a scheduler needs. */
export interface SchedulerOptions {
  readonly policies: Pick<Policies, 'list' | 'onChange' | 'version'>;
  readonly store: ScheduleStore;
  readonly runs: LeftOutRuns & {
    start(request: RunRequest, key: string): RunInfo;
    active(): readonly RunInfo[];
    onChange(listener: (run: RunInfo) => void): Disposable;
  };
  /** The run that was started with a key, also before this start of the daemon. */
  readonly runByKey: (key: string) => RunInfo | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A clock that is set back by more than this counts from where it is now, ms; else nothing starts until it has caught up. */
const setBackMs = 3_600_000;
/** A run that the end of the daemon interrupted is caught up so many times in a row: one that itself ends the daemon must not do so for ever. */
const maxInterruptions = 3;

/** The schedules of all applied policies. */
export class Scheduler implements ScheduleView, Disposable {
  readonly #options: SchedulerOptions;
  readonly #states = new Map<string, ScheduleState>();
  /** When the next run of a policy is due, as far as it was asked; for the version that the state is of. */
  readonly #next = new Map<string, { readonly state: ScheduleState; readonly run: NextRun | undefined }>();
  readonly #subscriptions: Disposable[] = [];
  readonly #leftOut: LeftOut;
  #timer: Disposable | undefined;
  #stopped = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#leftOut = new LeftOut(options.runs, options.log);
    for (const state of options.store.all()) this.#states.set(state.policy, state);
  }

  /** Begins. What came due while the daemon was not there, and what its end interrupted, is dealt with first. */
  start(): void {
    const { policies, runs } = this.#options;
    for (const state of this.#states.values()) {
      try {
        this.#recover(state);
      } catch (error) {
        this.#log('error', state.policy, 'what the end of the daemon left of its schedule cannot be told', error);
      }
    }
    this.#subscriptions.push(
      policies.onChange(() => this.#wake()),
      runs.onChange((run) => this.#onRun(run)),
    );
    this.#wake();
  }

  /** Whether something is still to start by itself, so that the daemon has to stay. */
  get isNeeded(): boolean {
    return this.#options.policies.list().some(({ name, policy, paused }) => {
      if (this.#states.get(name)?.waiting !== undefined) return true;
      return (policy.schedule ?? []).length > 0 && (paused === undefined || paused.until !== undefined);
    });
  }

  nextRun(name: string): NextRun | undefined {
    const policy = this.#options.policies.list().find((one) => one.name === name);
    if (policy === undefined || isPaused(policy, this.#options.clock.now())) return undefined;
    const state = this.#states.get(name);
    if (state?.waiting !== undefined) {
      const at = this.#startOf(policy, this.#options.clock.now());
      if (at !== undefined) return { at: timestampOf(at), type: state.waiting.type };
    }
    return state === undefined ? undefined : this.#nextOf(policy, state);
  }

  /** Starts nothing any more. */
  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#timer?.[Symbol.dispose]();
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
  }

  /** Looks at all policies, and sets the timer for the next look. */
  #wake(): void {
    if (this.#stopped) return;
    this.#timer?.[Symbol.dispose]();
    const now = this.#options.clock.now();
    const policies = this.#options.policies.list();
    this.#forgetOthers(policies);
    let next = now + longestTimerMs;
    for (const policy of policies) {
      try {
        this.#look(policy, now);
        next = Math.min(next, this.#nextLook(policy, now));
      } catch (error) {
        this.#log('error', policy.name, 'its schedule could not be looked at; it is tried again in a minute', error);
      }
    }
    this.#timer = this.#options.clock.setTimer(Math.max(1, next - now), () => this.#wake());
  }

  #look(policy: ActivePolicy, now: number): void {
    const state = this.#stateOf(policy, now);
    const since = this.#since(policy, state, now);
    const due = since < now && (policy.policy.schedule ?? []).length > 0 && this.#mayBeDue(policy, state, now);
    const decision = due ? decideDue(policy.policy, since, now) : undefined;
    if (decision !== undefined) this.#handle(policy, state, decision, now);
    this.#startWaiting(policy, now);
  }

  #handle(policy: ActivePolicy, state: ScheduleState, { run, leftOut, note }: DueDecision, now: number): void {
    const handled = { ...state, handledUntil: timestampOf(now) };
    if (isPaused(policy, now)) {
      this.#log('info', policy.name, 'a run came due while it is paused, and is left out');
      this.#put(handled);
      return;
    }
    if (leftOut === undefined && note !== undefined) this.#log('warning', policy.name, note);
    if (run === undefined) this.#put(handled);
    if (leftOut !== undefined && note !== undefined) this.#leftOut.missed(policy.name, leftOut, note);
    if (run === undefined) return;
    const active = this.#activeRun(policy.name);
    if (active !== undefined && policy.policy.overlap === 'skip') {
      this.#put(handled);
      this.#leftOut.because(policy.name, run, active);
      return;
    }
    if (active !== undefined) {
      this.#log('info', policy.name, `the run that was due at ${run.scheduledFor} waits for ${active.id} to end`);
    }
    // Durable before it starts: a crash from here on is seen at the next start.
    this.#put({ ...handled, waiting: merged(state.waiting, run) });
  }

  /** Starts the run that waits, unless it has to wait on. */
  #startWaiting(policy: ActivePolicy, now: number): void {
    const { name } = policy;
    const state = this.#states.get(name);
    if (state?.waiting === undefined) return;
    const { waiting, ...rest } = state;
    if (isPaused(policy, now) || (policy.policy.schedule ?? []).length === 0) {
      this.#log('info', name, `the run that was due at ${waiting.scheduledFor} does not start any more`);
      this.#put(rest);
      return;
    }
    if (this.#activeRun(name) !== undefined || this.#startOf(policy, now) !== now) return;
    const started: StartedRun = { ...waiting, key: ulid() };
    this.#put({ ...rest, started });
    try {
      const { id } = this.#options.runs.start(requestOf(name, started), started.key);
      this.#log('info', name, `run ${id} started (${started.type}, due at ${started.scheduledFor})`);
    } catch (error) {
      this.#put({ ...rest, waiting });
      throw error;
    }
  }

  #onRun(run: RunInfo): void {
    const { request } = run;
    if (request.kind !== 'policy' || !isFinished(run.state) || isLeftOut(run)) return;
    const state = this.#states.get(request.policy);
    // What the end of the daemon interrupts stays, and is found by the next start.
    if (state?.started !== undefined && run.state !== 'interrupted') {
      if (this.#options.runByKey(state.started.key)?.id === run.id) this.#put({ ...state, started: undefined });
    }
    this.#wake();
  }

  /** At the start of the daemon: a run that was interrupted, or did not begin, is as one that was missed. */
  #recover(state: ScheduleState): void {
    const { started, waiting, ...rest } = state;
    const interrupted = started === undefined ? undefined : this.#interrupted(started, state.policy);
    if (interrupted === undefined && waiting === undefined) {
      if (started !== undefined) this.#put(rest);
      return;
    }
    const both = waiting === undefined ? interrupted?.again : merged(interrupted?.again, waiting);
    const policy = this.#options.policies.list().find(({ name }) => name === state.policy);
    const leftOut = policy?.policy.missedRuns === 'skip' || (both?.interruptions ?? 0) > maxInterruptions;
    const what = `The end of the daemon interrupted the run that was due at ${both?.scheduledFor ?? ''}, or kept it from beginning`;
    this.#put(leftOut || both === undefined ? rest : { ...rest, waiting: { ...both, trigger: 'missed' } });
    const text = `${what}. It is ${leftOut ? 'left out' : 'caught up'}.`;
    // A run that had begun is in the history already, as interrupted.
    const isRecorded = waiting === undefined && interrupted?.began === true;
    if (leftOut && both !== undefined && !isRecorded) this.#leftOut.missed(state.policy, both, text);
    else this.#log('warning', state.policy, text);
  }

  /** The run as one that waits again, and whether it had begun; undefined when it came to an end of its own. */
  #interrupted(
    { key, ...started }: StartedRun,
    policy: string,
  ): { readonly again: WaitingRun; readonly began: boolean } | undefined {
    let run: RunInfo | undefined;
    try {
      run = this.#options.runByKey(key);
    } catch (error) {
      // A backup too many does no harm, one that is missing does.
      this.#log('error', policy, 'its last run cannot be read and counts as interrupted', error);
    }
    if (run !== undefined && run.state !== 'interrupted') return undefined;
    return { again: { ...started, interruptions: started.interruptions + 1 }, began: run !== undefined };
  }

  /** The state of the version that is applied; that of an earlier one does not count. */
  #stateOf({ name, version, paused }: ActivePolicy, now: number): ScheduleState {
    const before = this.#states.get(name);
    if (before?.version === version.version) return before;
    // From when it was applied on; a clock that was ahead then must not put it off.
    const from = Math.min(Date.parse(version.at), now);
    const due = before === undefined ? undefined : this.#dueOfEarlier(before, pauseEnd(paused, now), from);
    const waiting = due === undefined ? before?.waiting : merged(before?.waiting, due);
    const state = { ...before, policy: name, version: version.version, handledUntil: timestampOf(from), waiting };
    this.#put(state);
    return state;
  }

  /** What came due by an earlier version until `until` and nobody had looked yet, as after a sleep: the new version makes up for it. */
  #dueOfEarlier(
    { policy: name, version, handledUntil }: ScheduleState,
    after: number,
    until: number,
  ): WaitingRun | undefined {
    try {
      const since = Math.max(Date.parse(handledUntil), after);
      const { policy } = this.#options.policies.version(name, version);
      return since < until ? decideDue(policy, since, until)?.run : undefined;
    } catch (error) {
      this.#log('warning', name, `what was due by version ${version} cannot be told`, error);
      return undefined;
    }
  }

  /** From when on runs that came due count. */
  #since({ name, paused }: ActivePolicy, state: ScheduleState, now: number): number {
    const handled = Date.parse(state.handledUntil);
    if (handled > now + setBackMs) {
      this.#log('warning', name, 'the clock was set back; runs count from now on');
      this.#put({ ...state, handledUntil: timestampOf(now) });
      return now;
    }
    return Math.max(handled, pauseEnd(paused, now));
  }

  #mayBeDue(policy: ActivePolicy, state: ScheduleState, now: number): boolean {
    const next = this.#nextOf(policy, state);
    return next !== undefined && Date.parse(next.at) <= now;
  }

  /** The first run after what is dealt with. Asking croner is slow, so it is kept until that changes. */
  #nextOf({ name, policy }: ActivePolicy, state: ScheduleState): NextRun | undefined {
    const known = this.#next.get(name);
    if (known?.state === state) return known.run;
    const [next] = nextRuns(policy, Date.parse(state.handledUntil), 1);
    const run = next === undefined ? undefined : { at: timestampOf(next.at), type: next.type };
    this.#next.set(name, { state, run });
    return run;
  }

  #nextLook(policy: ActivePolicy, now: number): number {
    const state = this.#states.get(policy.name);
    if (state === undefined) return Infinity;
    const waiting = state.waiting === undefined ? undefined : this.#startOf(policy, now);
    const next = this.#nextOf(policy, state);
    const moments = [waiting, next === undefined ? undefined : Date.parse(next.at)];
    return Math.min(...moments.map((at) => (at === undefined || at <= now ? Infinity : at)));
  }

  /** When a run that waits may start, as far as the window says. */
  #startOf({ policy }: ActivePolicy, now: number): number | undefined {
    return startOf(now, policy.window, policyTimezone(policy));
  }

  #activeRun(name: string): RunInfo | undefined {
    return this.#options.runs.active().find(({ request }) => request.kind === 'policy' && request.policy === name);
  }

  #forgetOthers(policies: readonly ActivePolicy[]): void {
    const names = new Set(policies.map(({ name }) => name));
    this.#leftOut.keepOnly(names);
    for (const { policy } of this.#states.values()) {
      if (names.has(policy)) continue;
      try {
        this.#options.store.delete(policy);
        this.#states.delete(policy);
        this.#next.delete(policy);
      } catch (error) {
        this.#log('error', policy, 'its state could not be deleted; it is tried again in a minute', error);
      }
    }
  }

  #put(state: ScheduleState): void {
    this.#options.store.put(state);
    this.#states.set(state.policy, state);
  }

  #log(level: 'info' | 'warning' | 'error', policy: string, text: string, error?: unknown): void {
    this.#options.log.log(level, `Schedule of policy ${policy}: ${text}`, error);
  }
}

function isPaused({ paused }: ActivePolicy, now: number): boolean {
  return paused !== undefined && (paused.until === undefined || Date.parse(paused.until) > now);
}

/** When a pause that is over ended, ms since 1970; 0 when there is none. */
function pauseEnd(paused: ActivePolicy['paused'], now: number): number {
  const until = paused?.until === undefined ? 0 : Date.parse(paused.until);
  return until <= now ? until : 0;
}

function requestOf(policy: string, { type, trigger, scheduledFor, missed }: StartedRun): RunRequest {
  return {
    kind: 'policy',
    policy,
    type,
    trigger,
    scheduledFor,
    ...(missed.length === 0 ? {} : { missed: [...missed] }),
  };
}
