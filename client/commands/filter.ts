/** The filters of the views, and how restore points are grouped. */
import * as vscode from 'vscode';

import type { App } from '../app.ts';
import { askText } from '../ui/pick.ts';
import type { FilteredView } from '../views/index.ts';
import type { CommandHandlers } from './registry.ts';

/** Commands that change what views show, and nothing else. */
export function viewCommands({ views }: App): CommandHandlers {
  const { hosts, runs, repositories } = views;
  return {
    'tidemark.hosts.filter': async () => askFilter(hosts, vscode.l10n.t('Filter Hosts and VMs')),
    'tidemark.hosts.clearFilter': () => hosts.setFilter(''),
    'tidemark.runs.filter': async () => askFilter(runs, vscode.l10n.t('Filter Runs')),
    'tidemark.runs.clearFilter': () => runs.setFilter(''),
    'tidemark.repositories.filter': async () => askFilter(repositories, vscode.l10n.t('Filter Restore Points')),
    'tidemark.repositories.clearFilter': () => repositories.setFilter(''),
    'tidemark.repositories.groupByVm': () => repositories.setGroupBy('vm'),
    'tidemark.repositories.groupByDay': () => repositories.setGroupBy('day'),
    'tidemark.tree.loadMore': (target) => (target === undefined ? undefined : views.loadMore(target)),
  };
}

async function askFilter(view: FilteredView, title: string): Promise<void> {
  const text = await askText({
    title,
    value: view.filter,
    placeholder: vscode.l10n.t('for example sql-* running'),
    prompt: vscode.l10n.t('Every word must be there; * and ? are wildcards. Empty shows everything.'),
  });
  view.setFilter(text.trim());
}
