/** The tree views of a window. */
import type { ViewApp } from './tree/view-app.ts';
import type { MoreTarget } from '../targets.ts';
import { HostsView } from './hosts/hosts-view.ts';
import { PoliciesView } from './policies/policies-view.ts';
import { RepositoriesView } from './repositories/repositories-view.ts';
import { RunsView } from './runs/runs-view.ts';
import type { ViewControls } from './tree/view-controls.ts';

export type {
  FilteredView,
  HostsControls,
  PoliciesControls,
  RepositoriesControls,
  RunsControls,
  ViewControls,
} from './tree/view-controls.ts';

/** Registers all views. Nothing is read before one is shown. */
export function createViews(app: ViewApp): ViewControls {
  const hosts = new HostsView(app);
  const runs = new RunsView(app);
  const repositories = new RepositoriesView(app);
  const policies = new PoliciesView(app);
  const byId = new Map<string, { loadMore(list: string): void }>([
    ['tidemark.hosts', hosts],
    ['tidemark.runs', runs],
    ['tidemark.repositories', repositories],
    ['tidemark.policies', policies],
  ]);
  return {
    hosts,
    runs,
    repositories,
    policies,
    loadMore: ({ view, list }: MoreTarget) => byId.get(view)?.loadMore(list),
  };
}
