/** The report of a run: active or ended, of any kind, also one of an earlier version. */
import type { NotificationInfo, RunInfo, RunReport } from '../../protocol/daemon.ts';
import type { RunId } from '../../protocol/ids.ts';

/** What a report is made from. */
export interface ReportSources {
  readonly runs: {
    /** Throws `TM5101`. */
    get(id: RunId): RunInfo;
    childrenOf(id: RunId, limit: number): readonly RunInfo[];
  };
  readonly notifier: { ofRun(run: RunId): readonly NotificationInfo[] };
}

/** More parts than these a report does not list: it must fit into one message. */
const maxChildren = 16_384;
const maxChildrenLength = 16 * 1024 * 1024;

/** Everything about one run. Throws `TM5101`. */
export function reportOf(id: RunId, { runs, notifier }: ReportSources): RunReport {
  const run = runs.get(id);
  const all = runs.childrenOf(id, maxChildren);
  const children: RunInfo[] = [];
  let length = 0;
  for (const child of all) {
    length += JSON.stringify(child).length;
    if (length > maxChildrenLength) break;
    children.push(child);
  }
  return {
    schema: 1,
    run,
    children,
    omittedChildren: all.length - children.length,
    notifications: notifier.ofRun(id),
  };
}
