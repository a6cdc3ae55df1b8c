/** A daemon with any number of hosts, VMs and restore points, that answers as the real one does. */
import * as daemon from '../../../../../server/protocol/daemon.ts';
import type { VmEntry } from '../../../../../server/protocol/daemon.ts';
import type { RestorePointInfo } from '../../../../../server/protocol/model.ts';
import type { Parsed } from '../../../../../server/protocol/parse.ts';
import { dayText } from '../../../../../client/views/tree/texts.ts';
import { Answers } from '../../support/fake-daemon.ts';
import { backedUpVm, pointOf, reachableHost, sampleRepository, statusOf, summaryOf } from './world.ts';

export interface BigWorld {
  readonly hosts: number;
  readonly vmsPerHost: number;
  /** Over all VMs in turn, one each hour of each VM. */
  readonly restorePoints: number;
}

export const hostName = (n: number): string => `hv${String(n).padStart(2, '0')}`;

/** What the daemon answers. */
export function bigDaemon({ hosts, vmsPerHost, restorePoints }: BigWorld): Answers {
  const names = Array.from({ length: hosts }, (_, n) => hostName(n));
  const vms = new Map(names.map((name, h) => [name, vmsOf(name, h, vmsPerHost)]));
  const points = Array.from({ length: restorePoints }, (_, n) => {
    const vm = n % (hosts * vmsPerHost);
    return pointOf(restorePoints - n, vm, Math.floor(n / (hosts * vmsPerHost)) * 24);
  });
  const summary = summaryOf(points);
  return new Answers()
    .on(daemon.listHosts, () => ({ hosts: names.map((name) => reachableHost(name)) }))
    .on(daemon.listVms, ({ host = '' }) => ({ vms: [...(vms.get(host) ?? [])], unreachable: [] }))
    .on(daemon.listRepositories, () => ({ repositories: [sampleRepository('main', '/srv/backup')] }))
    .on(daemon.getRepositoryStatus, () => statusOf('main', '/srv/backup'))
    .on(daemon.summarizeRestorePoints, () => summary)
    .on(daemon.listRestorePoints, (query) => answer(points, query));
}

const vmsOf = (host: string, h: number, count: number): readonly VmEntry[] =>
  Array.from({ length: count }, (_, v) => backedUpVm(host, `vm${h}-${v}`, h * count + v));

type Query = Parsed<typeof daemon.listRestorePoints.params>;

/** A page, newest first. */
function answer(points: readonly RestorePointInfo[], { vm, day, before, limit = points.length }: Query) {
  const fitting = points.filter(
    ({ vmId, createdAt }) => (vm === undefined || vmId === vm) && (day === undefined || dayText(createdAt) === day),
  );
  const from = before === undefined ? 0 : fitting.findIndex(({ id }) => id === before) + 1;
  const page = fitting.slice(from, from + limit);
  return { restorePoints: page, damaged: [], total: fitting.length, hasMore: from + page.length < fitting.length };
}
