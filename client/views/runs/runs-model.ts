/** The Runs view: what is running, waits, failed, and has ended. */
import type { RunInfo } from '../../../server/protocol/daemon.ts';
import { l10n } from '../../base/l10n.ts';
import { hasEnded } from '../../stores/run-order.ts';
import { errorNode, messageNode, messageRow, messageTooltip, moreNode, moreRow } from '../tree/common-nodes.ts';
import { PageLimits } from '../tree/paging.ts';
import type { Row } from '../tree/row.ts';
import type { TreeModel } from '../tree/shown-tree.ts';
import { textFilter } from '../tree/text-filter.ts';
import type { TextFilter } from '../tree/text-filter.ts';
import { dayText, shortTimeText } from '../tree/texts.ts';
import { groupRow, hasFailed, runDiskRow, runRow, runTooltip } from './run-rows.ts';
import { kindText, stateText } from './run-texts.ts';
import { runGroups } from './runs-nodes.ts';
import type { RunGroup, RunNode, RunsData, RunsNode } from './runs-nodes.ts';

type Groups = ReadonlyMap<RunGroup, readonly RunInfo[]>;

/** Makes nodes and lines of the runs known now. */
export class RunsModel implements TreeModel<RunsNode> {
  readonly limits = new PageLimits();
  readonly #data: RunsData;
  #filter: TextFilter = textFilter('');
  #grouped: { readonly of: readonly RunInfo[]; readonly day: string; readonly groups: Groups } | undefined;

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
    const runs = this.#groups().get(parent.group) ?? [];
    const shown = runs.slice(0, this.limits.limit(parent.id));
    const nodes: RunsNode[] = shown.map(({ id }) => ({ kind: 'run', id: `run/${id}`, runId: id }));
    if (runs.length > shown.length) {
      nodes.push(moreNode('tidemark.runs', parent.id, { shown: shown.length, total: runs.length }));
    }
    return nodes;
  }

  row(node: RunsNode): Row {
    switch (node.kind) {
      case 'runGroup':
        return groupRow(node.group, this.#groups().get(node.group)?.length ?? 0);
      case 'run':
        return runRow(node, this.#data.run(node.runId), this.#data.now);
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
    return this.#data.runs.value.filter((run) => hasFailed(run) && endOf(run) > seenUpTo);
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
    const message = l10n.t('Showing {0} of {1} runs.', shown, runs.value.length);
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
    for (const index of run.progress.disks.keys()) {
      nodes.push({ kind: 'runDisk', id: `${id}/disk/${index}`, runId, index });
    }
    return nodes;
  }

  #groups(): Groups {
    const { runs, now } = this.#data;
    const day = dayText(now);
    if (this.#grouped?.of !== runs.value || this.#grouped.day !== day) {
      const groups = Map.groupBy(
        runs.value.filter((run) => this.#matches(run)),
        (run) => groupOf(run, day),
      );
      this.#grouped = { of: runs.value, day, groups };
    }
    return this.#grouped.groups;
  }

  #matches(run: RunInfo): boolean {
    if (!this.#filter.active) return true;
    return this.#filter.matches(run.title, kindText(run.request), stateText(run.state), run.error?.message ?? '');
  }
}

function groupOf(run: RunInfo, today: string): RunGroup {
  if (run.state === 'queued') return 'queued';
  if (!hasEnded(run)) return 'active';
  if (hasFailed(run)) return 'failed';
  return dayText(endOf(run)) === today ? 'today' : 'earlier';
}

/** When a run ended, as the protocol writes times: they sort as text. */
const endOf = ({ finishedAt, queuedAt }: RunInfo): string => finishedAt ?? queuedAt;
