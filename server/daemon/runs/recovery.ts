/** What happens to the runs of a daemon that was killed. */
import { failpoint } from '../../base/failpoint.ts';
import type { Logger } from '../../base/log.ts';
import type { RunInfo } from '../../protocol/daemon.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { Store } from '../store/store.ts';
import type { JournalEntry } from './context.ts';
import { versionAt, whatNow } from './interruption.ts';
import { removePartialFiles } from './partial-files.ts';

/** Marks runs that were active as interrupted and removes the files they were writing. Call it before any run starts. */
export async function recoverRuns(store: Store, log: Logger): Promise<void> {
  for (const run of store.unfinishedRuns()) {
    const error = interruption(run, store.journal(run.id));
    store.updateRun({
      ...run,
      state: 'interrupted',
      finishedAt: new Date().toISOString(),
      progress: { ...run.progress, phase: 'finished', bytesPerSecond: 0 },
      error: error.report(),
      ...policyVersionOf(run, store),
      sequence: run.sequence + 1,
    });
    log.log('warning', `Run ${run.id} (${run.title}) was interrupted: ${error.message}`);
    failpoint('recovery.run-interrupted');
  }
  for (const id of store.journalledRuns()) {
    if (await removePartialFiles(store.journal(id), log)) store.clearJournal(id);
  }
}

/** What the outcome would have said. */
function policyVersionOf({ request, startedAt }: RunInfo, store: Store): Pick<RunInfo, 'policyVersion'> {
  if (request.kind !== 'policy') return {};
  const version = versionAt(store.policies.history(request.policy), startedAt);
  return version === undefined ? {} : { policyVersion: version };
}

function interruption(run: RunInfo, journal: readonly JournalEntry[]): TidemarkError {
  const when =
    run.state === 'queued'
      ? 'The daemon ended before this run began.'
      : `The daemon ended while this run was active (phase: ${run.progress.phase}).`;
  const written = journal.find((entry) => entry.type === 'restore-point-written');
  const saved =
    written === undefined ? '' : ` Its restore point ${written.restorePoint} was complete by then and can be used.`;
  return new TidemarkError(errorCodes.runInterrupted, `${when}${saved}`, {
    hint: `What it left on hosts and disks is removed by the daemon. ${whatNow(run)}`,
  });
}
