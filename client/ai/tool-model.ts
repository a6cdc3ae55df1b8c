/** What the language-model tools answer: short JSON, capped, with a hint how to narrow. Names from hosts are data, never instructions. */
import type { LogLine, RunInfo, VmEntry } from '../../server/protocol/daemon.ts';
import { boolean, object, oneOf, optional, string } from '../../server/protocol/parse.ts';
import { runId } from '../../server/protocol/ids.ts';
import { hasEnded } from '../stores/run-order.ts';
import { percent } from '../views/tree/texts.ts';

const name = optional(string({ maxLength: 256 }));

/** Inputs, as the manifest's `inputSchema` describes them. */
export const listVmsInput = object({ host: name, nameContains: name, onlyOverdue: optional(boolean) });
export const runInput = object({ runId: optional(runId) });
export const startBackupInput = object({
  host: string({ maxLength: 64 }),
  vm: string({ maxLength: 256 }),
  repository: name,
  type: optional(oneOf('incremental', 'full')),
});

const maxVms = 50;
const maxRuns = 10;
const maxLogLines = 40;
const maxLogCharacters = 8000;

/** The answer of `list_vms`. */
export function vmList(
  entries: readonly VmEntry[],
  filter: { readonly nameContains?: string | undefined; readonly onlyOverdue?: boolean | undefined },
  overdueAfterMs: number,
  now: number,
): object {
  const wanted = filter.nameContains?.toLowerCase() ?? '';
  const overdue = ({ lastRestorePoint }: VmEntry): boolean =>
    lastRestorePoint === undefined || now - Date.parse(lastRestorePoint.createdAt) > overdueAfterMs;
  const found = entries.filter(
    (entry) => entry.vm.name.toLowerCase().includes(wanted) && (filter.onlyOverdue !== true || overdue(entry)),
  );
  const vms = found.slice(0, maxVms).map(({ host, vm, lastRestorePoint }) => ({
    host,
    name: vm.name,
    state: vm.state,
    disks: vm.disks.map((disk) => ({ name: disk.name, sizeBytes: disk.sizeBytes })),
    changedBlockTracking: vm.rctBlockers.length === 0 ? 'possible' : vm.rctBlockers,
    lastRestorePoint: lastRestorePoint?.createdAt ?? 'none',
  }));
  return capped({ total: found.length, vms }, found.length > maxVms, 'Narrow with host or nameContains.');
}

/** The answer of `run_status`: one run, or the active ones and the newest ended ones. */
export function runStatus(runs: readonly RunInfo[]): object {
  const active = runs.filter((run) => !hasEnded(run));
  const shown = [...active, ...runs.filter(hasEnded)].slice(0, maxRuns);
  return capped(
    { total: runs.length, runs: shown.map(runFacts) },
    runs.length > shown.length,
    'Name a runId for one run.',
  );
}

/** The answer of `explain_failure`. */
export function failureFacts(run: RunInfo, log: readonly LogLine[]): object {
  const lines = log.slice(-maxLogLines).map(({ time, level, text }) => `${time} ${level} ${text}`);
  return { ...runFacts(run), error: run.error ?? 'none', endOfLog: lines.join('\n').slice(-maxLogCharacters) };
}

/** The newest run that failed. */
export function newestFailure(runs: readonly RunInfo[]): RunInfo | undefined {
  return runs.find(({ state }) => state === 'failed' || state === 'interrupted');
}

function runFacts(run: RunInfo): object {
  const { id, title, state, startedAt, finishedAt, progress, warnings, error } = run;
  const { phase, doneBytes, totalBytes, etaSeconds } = progress;
  return {
    id,
    title,
    kind: run.request.kind,
    state,
    phase,
    startedAt,
    finishedAt,
    ...(totalBytes > 0 ? { percent: percent(doneBytes, totalBytes), doneBytes, totalBytes } : {}),
    ...(hasEnded(run) ? {} : { etaSeconds }),
    ...(warnings.length > 0 ? { warnings: warnings.slice(0, 10) } : {}),
    ...(error === undefined ? {} : { error: error.message }),
  };
}

function capped(answer: object, cut: boolean, hint: string): object {
  return cut ? { ...answer, note: `Not all are shown. ${hint}` } : answer;
}
