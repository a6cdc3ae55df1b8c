/** What follows from a run that the end of the daemon interrupted, and what is still known of it. */
import type { PolicyVersion, RunInfo } from '../../protocol/daemon.ts';

/** What whoever reads of the interruption has to do. */
export function whatNow({ request, parent }: Pick<RunInfo, 'request' | 'parent'>): string {
  if (parent !== undefined) return `It was part of run ${parent}, which says what follows.`;
  if (request.kind === 'policy' && request.trigger !== 'manual')
    return 'The daemon catches it up by itself when it is up again, unless the policy leaves missed runs out.';
  return 'Start the run again when the daemon is up.';
}

/** The version that a run of a policy carried out, from the history of the policy, newest first; undefined when it had not begun. */
export function versionAt(history: readonly PolicyVersion[], startedAt: string | undefined): number | undefined {
  if (startedAt === undefined) return undefined;
  const started = Date.parse(startedAt);
  const last = history.find(({ at }) => Date.parse(at) <= started);
  return last === undefined || last.change === 'deleted' ? undefined : last.version;
}
