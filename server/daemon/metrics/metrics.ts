/** What the daemon tells of itself to a monitoring system: docs/user-guide.md, "Metrics". */
import type { Logger } from '../../base/log.ts';
import type { NextRun, RunInfo } from '../../protocol/daemon.ts';
import { durationOf, policyOutcome, resultOf, totalsOf } from '../notifications/run-result.ts';
import type { RunResult } from '../notifications/run-result.ts';
import type { ActivePolicy } from '../policies/api.ts';
import type { MetricStore } from '../store/metric-store.ts';
import { Counter, Histogram } from './counters.ts';
import { exposition } from './exposition.ts';
import type { HistogramMetric, Metric, Sample } from './exposition.ts';

/** What metrics are made from. */
export interface MetricsSources {
  readonly store: MetricStore;
  /** The newest ended run of a policy. */
  readonly lastEnded: (policy: string) => RunInfo | undefined;
  readonly policies: { list(): readonly ActivePolicy[] };
  readonly schedule: { nextRun(policy: string): NextRun | undefined };
  readonly activeRuns: () => readonly RunInfo[];
  readonly waitingNotifications: () => number;
  readonly hosts: () => number;
  readonly repositories: () => number;
  readonly version: string;
  /** UTC. */
  readonly startedAt: string;
  readonly now: () => number;
  readonly log: Logger;
}

/** What is kept of the last run of a policy: the whole of it may be large. */
interface LastEnd {
  readonly atMs: number;
  readonly result: RunResult;
  readonly durationMs: number | undefined;
  readonly vms: Readonly<Record<'succeeded' | 'failed' | 'skipped' | 'cancelled', number>>;
}

/** Series of one metric at most: monitoring systems keep each for long. */
export const maxSeries = 20_000;
/** A VM whose last backup is older is gone from the metrics, ms. */
export const forgottenAfterMs = 90 * 24 * 3_600_000;
/** Of runs, s: from moments to two days. */
const durationBounds = [1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400, 172_800];
const results: readonly RunResult[] = ['success', 'warning', 'failure'];

/** Counts what happens, and looks up the rest when it is asked. */
export class Metrics {
  readonly #sources: MetricsSources;
  readonly #lastEnded = new Map<string, LastEnd | undefined>();
  readonly #runs = new Counter('tidemark_runs_total', 'Runs that ended since the daemon started.', maxSeries);
  readonly #policyRuns = new Counter(
    'tidemark_policy_runs_total',
    'Runs of policies that ended since the daemon started.',
    maxSeries,
  );
  readonly #failures = new Counter(
    'tidemark_backup_failures_total',
    'Backups of VMs that failed since the daemon started, each attempt.',
    maxSeries,
  );
  readonly #readBytes = new Counter(
    'tidemark_backup_read_bytes_total',
    'Bytes that backups read on hosts since the daemon started.',
    maxSeries,
  );
  readonly #storedBytes = new Counter(
    'tidemark_backup_stored_bytes_total',
    'Bytes that backups stored in repositories since the daemon started.',
    maxSeries,
  );
  readonly #durations = new Histogram(
    'tidemark_run_duration_seconds',
    'How long runs took that ended since the daemon started.',
    durationBounds,
  );

  constructor(sources: MetricsSources) {
    this.#sources = sources;
  }

  /** To be called when a run ended, however it ended. Does not throw. */
  runEnded(run: RunInfo): void {
    const { request, state } = run;
    this.#runs.add({ kind: request.kind, state }, 1);
    const duration = durationOf(run);
    if (duration !== undefined) this.#durations.observe({ kind: request.kind }, duration / 1000);
    if (request.kind === 'policy') {
      this.#policyRuns.add({ policy: request.policy, result: resultOf(run) }, 1);
      this.#lastEnded.set(request.policy, lastEndOf(run));
    }
    if (request.kind === 'backup') this.#backupEnded(run, request.policy ?? '', request.repository);
  }

  /** The document. */
  text(): string {
    return exposition(this.#metrics());
  }

  #backupEnded(run: RunInfo, policy: string, repository: string): void {
    if (run.state === 'failed' || run.state === 'interrupted') this.#failures.add({ policy, repository }, 1);
    if (run.outcome?.kind !== 'backup') return;
    const { vmId, vmName, host, createdAt, disks } = run.outcome.restorePoint;
    const sum = (key: 'readBytes' | 'storedBytes'): number => disks.reduce((bytes, disk) => bytes + disk.stats[key], 0);
    this.#readBytes.add({ policy, repository }, sum('readBytes'));
    this.#storedBytes.add({ policy, repository }, sum('storedBytes'));
    try {
      const { store, now } = this.#sources;
      store.putSuccess({ vmId, vm: vmName, host, policy, repository, atMs: Date.parse(createdAt) });
      store.trim(now() - forgottenAfterMs, maxSeries);
    } catch (error) {
      this.#sources.log.log('error', `The metrics could not record run ${run.id}`, error);
    }
  }

  #metrics(): readonly (Metric | HistogramMetric)[] {
    return [
      ...this.#daemon(),
      this.#lastSuccesses(),
      ...this.#policies(),
      this.#policyRuns.metric(),
      this.#runs.metric(),
      this.#failures.metric(),
      this.#readBytes.metric(),
      this.#storedBytes.metric(),
      this.#durations.metric(),
    ];
  }

  #daemon(): readonly Metric[] {
    const { version, startedAt, activeRuns, waitingNotifications, hosts, repositories } = this.#sources;
    const runs = activeRuns();
    const queued = runs.filter(({ state }) => state === 'queued').length;
    return [
      {
        name: 'tidemark_build_info',
        help: 'The version of the daemon, and of Node.',
        type: 'gauge',
        samples: [{ labels: { version, node: process.versions.node }, value: 1 }],
      },
      gauge('tidemark_start_time_seconds', 'When the daemon started.', Date.parse(startedAt) / 1000),
      gauge('tidemark_runs_queued', 'Runs that wait to begin.', queued),
      gauge('tidemark_runs_active', 'Runs that are being carried out.', runs.length - queued),
      gauge('tidemark_notifications_waiting', 'Messages that are not delivered yet.', waitingNotifications()),
      gauge('tidemark_hosts', 'Hosts that the daemon knows.', hosts()),
      gauge('tidemark_repositories', 'Repositories that the daemon knows.', repositories()),
    ];
  }

  #lastSuccesses(): Metric {
    const { store, now, policies } = this.#sources;
    // Of a policy that was deleted nobody expects backups any more.
    const applied = new Set(['', ...policies.list().map(({ name }) => name)]);
    const samples = store
      .successes(now() - forgottenAfterMs, maxSeries)
      .filter(({ policy }) => applied.has(policy))
      .map(({ atMs, vmId, ...names }) => ({ labels: { ...names, vm_id: vmId }, value: atMs / 1000 }));
    return {
      name: 'tidemark_vm_last_success_timestamp_seconds',
      help: 'Of which moment the last successful backup of a VM is. The policy is empty for backups by hand.',
      type: 'gauge',
      samples,
    };
  }

  #policies(): readonly Metric[] {
    const names = this.#sources.policies.list().map(({ name }) => name);
    const nextRuns = names.flatMap((policy) => {
      const next = this.#sources.schedule.nextRun(policy);
      return next === undefined ? [] : [{ labels: { policy }, value: Date.parse(next.at) / 1000 }];
    });
    const ended = names.flatMap((policy) => {
      const end = this.#lastOf(policy);
      return end === undefined ? [] : [{ policy, end }];
    });
    const of = (samplesOf: (policy: string, end: LastEnd) => readonly Sample[]): readonly Sample[] =>
      ended.flatMap(({ policy, end }) => samplesOf(policy, end));
    return [
      {
        name: 'tidemark_policy_next_run_timestamp_seconds',
        help: 'When the next run of a policy is due.',
        type: 'gauge',
        samples: nextRuns,
      },
      {
        name: 'tidemark_policy_last_run_timestamp_seconds',
        help: 'When the last run of a policy ended.',
        type: 'gauge',
        samples: of((policy, { atMs }) => [{ labels: { policy }, value: atMs / 1000 }]),
      },
      {
        name: 'tidemark_policy_last_run_result',
        help: 'How the last run of a policy ended: 1 for its result.',
        type: 'gauge',
        samples: of((policy, end) =>
          results.map((result) => ({ labels: { policy, result }, value: end.result === result ? 1 : 0 })),
        ),
      },
      {
        name: 'tidemark_policy_last_run_duration_seconds',
        help: 'How long the last run of a policy took.',
        type: 'gauge',
        samples: of((policy, { durationMs }) =>
          durationMs === undefined ? [] : [{ labels: { policy }, value: durationMs / 1000 }],
        ),
      },
      {
        name: 'tidemark_policy_last_run_vms',
        help: 'VMs of the last run of a policy, by what became of them.',
        type: 'gauge',
        samples: of((policy, { vms }) =>
          Object.entries(vms).map(([result, value]) => ({ labels: { policy, result }, value })),
        ),
      },
    ];
  }

  /** From the history once; from then on it is told of ends. */
  #lastOf(policy: string): LastEnd | undefined {
    if (!this.#lastEnded.has(policy)) {
      const run = this.#sources.lastEnded(policy);
      this.#lastEnded.set(policy, run === undefined ? undefined : lastEndOf(run));
    }
    return this.#lastEnded.get(policy);
  }
}

function lastEndOf(run: RunInfo): LastEnd {
  const { succeeded, failed, skipped, cancelled } = totalsOf(policyOutcome(run)?.vms ?? []);
  return {
    atMs: Date.parse(run.finishedAt ?? run.queuedAt),
    result: resultOf(run),
    durationMs: durationOf(run),
    vms: { succeeded, failed, skipped, cancelled },
  };
}

function gauge(name: string, help: string, value: number): Metric {
  return { name, help, type: 'gauge', samples: [{ value }] };
}
