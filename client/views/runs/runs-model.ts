/** The Runs view: what is running, waits, failed, and has ended. */
import type { RunInfo } from '../../../server/protocol/daemon.ts';
import { l10n } from '../../base/l10n.ts';
import type { RunId } from '../../../server/protocol/ids.ts';
import { hasEnded, topLevel } from '../../stores/run-order.ts';
import { errorNode, messageNode, messageRow, messageTooltip, moreNode, moreRow } from '../tree/common-nodes.ts';
import { PageLimits } from '../tree/paging.ts';
import type { Row } from '../tree/row.ts';
import type { TreeModel } from '../tree/shown-tree.ts';
import { textFilter } from '../tree/text-filter.ts';
import type { TextFilter } from '../tree/text-filter.ts';
import { dayText, shortTimeText } from '../tree/texts.ts';
import { groupRow, hasFailed, runDiskRow, runRow, runTooltip, runVmRow } from './run-rows.ts';
import { kindText, stateText } from './run-texts.ts';
import { runGroups } from './runs-nodes.ts';
import type { RunGroup, RunNode, RunsData, RunsNode } from './runs-nodes.ts';

type Groups = ReadonlyMap<RunGroup, readonly RunInfo[]>;

/** The runs by where they are shown. */
interface Grouped {
  readonly of: readonly RunInfo[];
  readonly day: string;
  readonly groups: Groups;
  /** The runs that are part of another one, the first one first. */
  readonly parts: ReadonlyMap<RunId, readonly RunInfo[]>;
}

/** Makes nodes and lines of the runs known now. */
export class RunsModel implements TreeModel<RunsNode> {
  readonly limits = new PageLimits();
  readonly #data: RunsData;
  #filter: TextFilter = textFilter('');
  #grouped: Grouped | undefined;

  constructor(data: RunsData) {
    this.#data = data;
  }

  get filter(): string {
    return this.#filter.text;
  }

  /** Shows only runs whose title, kind, state or reason has every word. Empty shows everything. */
  set filter(text: string) {
    this.#filter = textFilter(text);
    this.#grouped = undefined;
    this.limits.reset();
  }

  children(parent: RunsNode | undefined): readonly RunsNode[] {
    if (parent === undefined) return this.#roots();
    if (parent.kind === 'run') return this.#details(parent);
    if (parent.kind !== 'runGroup') return [];
    return this.#page(parent.id, this.#groups().get(parent.group) ?? [], runNode);
  }

  row(node: RunsNode): Row {
    switch (node.kind) {
      case 'runGroup':
        return groupRow(node.group, this.#groups().get(node.group)?.length ?? 0);
      case 'run':
        return runRow(node, this.#data.run(node.runId), this.#data.now);
      case 'runVm':
        return runVmRow(node, this.#data.run(node.runId));
      case 'runDisk':
        return runDiskRow(node, this.#data.run(node.runId));
      case 'message':
        return messageRow(node);
      case 'more':
        break;
    }
    return moreRow(node);
  }

  tooltip(node: RunsNode): string | undefined {
    if (node.kind === 'message') return messageTooltip(node);
    if (node.kind !== 'run' && node.kind !== 'runDisk') return undefined;
    const run = this.#data.run(node.runId);
    return run === undefined ? undefined : runTooltip(run, this.#data.now);
  }

  /** Runs that failed after `seenUpTo`, a time of the protocol: what the badge counts. */
  unseenFailures(seenUpTo: string): readonly RunInfo[] {
    // A run of a policy counts once, however many of its VMs failed.
    return topLevel(this.#data.runs.value).filter((run) => hasFailed(run) && endOf(run) > seenUpTo);
  }

  /** What is written above the tree: that it is filtered, or not of now. */
  head(): { readonly message?: string; readonly description?: string } {
    const { runs, connected, now } = this.#data;
    const stale =
      !connected && runs.value.length > 0 && runs.readAt !== undefined
        ? { message: l10n.t('Not connected to the daemon. Showing runs as of {0}.', shortTimeText(runs.readAt, now)) }
        : {};
    if (!this.#filter.active) return stale;
    const shown = [...this.#groups().values()].reduce((count, group) => count + group.length, 0);
    const message = l10n.t('Showing {0} of {1} runs.', shown, topLevel(runs.value).length);
    return { message, ...stale, description: `“${this.#filter.text}”` };
  }

  #roots(): readonly RunsNode[] {
    const groups = this.#groups();
    const nodes: RunsNode[] = runGroups
      .filter((group) => (groups.get(group)?.length ?? 0) > 0)
      .map((group) => ({ kind: 'runGroup', id: `group/${group}`, group }));
    const { runs, connected } = this.#data;
    if (nodes.length > 0 || !connected || runs.state === 'ready') return nodes;
    if (runs.state === 'failed' && runs.error !== undefined) return [errorNode('runs', runs.error)];
    return [messageNode('runs', 'loading', l10n.t('Reading runs…'))];
  }

  /** Why it failed, what it warned of, how far each disk is. */
  #details({ id, runId }: RunNode): readonly RunsNode[] {
    const run = this.#data.run(runId);
    if (run === undefined) return [];
    const nodes: RunsNode[] = run.error === undefined ? [] : [errorNode(id, run.error, 'reason')];
    for (const [index, text] of run.warnings.entries()) {
      nodes.push(messageNode(id, 'warning', text, { key: `warning/${index}` }));
    }
    if (run.outcome?.kind === 'verify') {
      for (const [index, { what, error }] of run.outcome.problems.entries()) {
        nodes.push(messageNode(id, 'error', what, { key: `problem/${index}`, hint: error.message }));
      }
    }
    // What the run of a policy reads are VMs, each of which has a run of its own.
    if (run.request.kind === 'policy') return [...nodes, ...this.#parts(id, run)];
    for (const index of run.progress.disks.keys()) {
      nodes.push({ kind: 'runDisk', id: `${id}/disk/${index}`, runId, index });
    }
    return nodes;
  }

  /** What the run of a policy consists of: its runs, and the VMs of which no run is known. */
  #parts(id: string, run: RunInfo): readonly RunsNode[] {
    const parts = this.#look().parts.get(run.id) ?? [];
    const known = new Set(parts.map((part) => part.id));
    const vms = run.outcome?.kind === 'policy' ? run.outcome.vms : [];
    const others = vms.flatMap((vm, index): RunsNode[] =>
      vm.run !== undefined && known.has(vm.run)
        ? []
        : [{ kind: 'runVm', id: `${id}/vm/${vm.host ?? ''}/${vm.vmId}`, runId: run.id, index }],
    );
    return this.#page(id, [...parts.map(runNode), ...others], (node) => node);
  }

  #page<T>(list: string, items: readonly T[], node: (item: T) => RunsNode): readonly RunsNode[] {
    const shown = items.slice(0, this.limits.limit(list));
    const nodes = shown.map(node);
    if (items.length > shown.length)
      nodes.push(moreNode('tidemark.runs', list, { shown: shown.length, total: items.length }));
    return nodes;
  }

  #groups(): Groups {
    return this.#look().groups;
  }

  #look(): Grouped {
    const { runs, now } = this.#data;
    const day = dayText(now);
    if (this.#grouped?.of !== runs.value || this.#grouped.day !== day) {
      const parts = new Map<RunId, RunInfo[]>();
      for (const run of runs.value.toReversed()) {
        if (run.parent === undefined) continue;
        const siblings = parts.get(run.parent);
        if (siblings === undefined) parts.set(run.parent, [run]);
        else siblings.push(run);
      }
      const shown = topLevel(runs.value).filter((run) =>
        [run, ...(parts.get(run.id) ?? [])].some((one) => this.#matches(one)),
      );
      this.#grouped = { of: runs.value, day, groups: Map.groupBy(shown, (run) => groupOf(run, day)), parts };
    }
    return this.#grouped;
  }

  #matches(run: RunInfo): boolean {
    if (!this.#filter.active) return true;
    return this.#filter.matches(run.title, kindText(run.request), stateText(run.state), run.error?.message ?? '');
  }
}

const runNode = ({ id }: RunInfo): RunNode => ({ kind: 'run', id: `run/${id}`, runId: id });

function groupOf(run: RunInfo, today: string): RunGroup {
  if (run.state === 'queued') return 'queued';
  if (!hasEnded(run)) return 'active';
  if (hasFailed(run)) return 'failed';
  return dayText(endOf(run)) === today ? 'today' : 'earlier';
}

/** When a run ended, as the protocol writes times: they sort as text. */
const endOf = ({ finishedAt, queuedAt }: RunInfo): string => finishedAt ?? queuedAt;
