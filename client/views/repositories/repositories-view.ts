/** The Repositories view: joins its model with the stores and VS Code. */
import type { ViewApp } from '../tree/view-app.ts';
import { onSettingChange, readSetting } from '../../ui/settings.ts';
import { LoadAttempts } from '../tree/load-attempts.ts';
import { mayAsk } from '../tree/may-ask.ts';
import { TreeController } from '../tree/tree-controller.ts';
import type { RepositoriesControls } from '../tree/view-controls.ts';
import { RepositoriesModel } from './repositories-model.ts';
import { queryOf, repositoryNode } from './repositories-nodes.ts';
import type { GroupBy, RepositoriesNode } from './repositories-nodes.ts';

export class RepositoriesView implements RepositoriesControls {
  readonly #app: ViewApp;
  readonly #model: RepositoriesModel;
  readonly #attempts = new LoadAttempts();
  readonly #controller: TreeController<RepositoriesNode>;

  constructor(app: ViewApp) {
    this.#app = app;
    const { stores, daemon, own } = app;
    this.#model = new RepositoriesModel({
      get repositories() {
        return stores.repositories.repositories;
      },
      status: (name) => stores.repositories.status(name),
      summary: (name) => stores.restorePoints.summary(name),
      points: (query) => stores.restorePoints.list(query),
      get connected() {
        return daemon.state.kind === 'connected';
      },
      get now() {
        return Date.now();
      },
    });
    this.#controller = own(
      new TreeController<RepositoriesNode>({
        id: 'tidemark.repositories',
        model: this.#model,
        load: (node) => this.#load(node),
        retry: (node) => this.#retry(node),
        head: () => this.#model.head(),
        everyMs: 250,
        tickMs: 60_000,
      }),
    );
    const refresh = (): void => this.#controller.refresh();
    own(stores.repositories.onDidChange(refresh));
    own(stores.restorePoints.onDidChange(refresh));
    own(daemon.onDidConnect(() => this.#attempts.renew()));
    own(daemon.onDidChangeState(refresh));
    const group = (): void => this.setGroupBy(readSetting('tidemark.repositories.groupBy'));
    own(onSettingChange(['tidemark.repositories.groupBy'], group));
    group();
  }

  get filter(): string {
    return this.#model.filter;
  }

  setFilter(text: string): void {
    this.#model.filter = text;
    this.#app.contextKeys.set('tidemark:repositories.filtered', this.#model.filter !== '');
    this.#controller.refreshNow();
    if (this.#model.filter === '') return;
    this.#controller
      .openFirst(this.#loadAll())
      .catch((error: unknown) => this.#app.logs.warn('what was found is not opened', error));
  }

  get groupBy(): GroupBy {
    return this.#model.groupBy;
  }

  setGroupBy(groupBy: GroupBy): void {
    this.#model.groupBy = groupBy;
    this.#model.limits.reset();
    this.#app.contextKeys.set('tidemark:repositories.groupBy', groupBy);
    this.#controller.refreshNow();
  }

  loadMore(list: string): void {
    const node = this.#controller.node(list);
    if (node?.kind === 'repositoryVm' || node?.kind === 'repositoryDay') {
      void this.#app.stores.restorePoints.loadMore(queryOf(node));
    } else {
      this.#model.limits.grow(list);
    }
    this.#controller.refreshNow();
  }

  /** What is not known of a repository cannot be searched. */
  #loadAll(): readonly Promise<unknown>[] {
    const { value } = this.#app.stores.repositories.repositories;
    return value.flatMap(({ name }) => this.#load(repositoryNode(name)) ?? []);
  }

  #retry(node: RepositoriesNode): void {
    this.#attempts.renew(node.id);
    if (node.kind === 'repository') this.#attempts.renew(statusKey(node.repository));
  }

  #load(node: RepositoriesNode | undefined): Promise<unknown> | undefined {
    if (!mayAsk(this.#app.daemon)) return undefined;
    switch (node?.kind) {
      case undefined:
        return this.#loadRepositories();
      case 'repository': {
        this.#loadStatus(node.repository);
        const { restorePoints } = this.#app.stores;
        const wanted = this.#attempts.wanted(node.id, restorePoints.summary(node.repository), Date.now());
        return wanted ? restorePoints.loadSummary(node.repository) : undefined;
      }
      case 'repositoryVm':
      case 'repositoryDay': {
        const { restorePoints } = this.#app.stores;
        const query = queryOf(node);
        return this.#attempts.wanted(node.id, restorePoints.list(query), Date.now())
          ? restorePoints.load(query)
          : undefined;
      }
      case 'damage':
      case 'point':
      case 'pointDisk':
      case 'damaged':
      case 'message':
      case 'more':
        break;
    }
    return undefined;
  }

  /** The list comes first; sizes and health come for each repository when it has answered. */
  #loadRepositories(): Promise<unknown> | undefined {
    const { repositories } = this.#app.stores;
    for (const { name } of repositories.repositories.value) this.#loadStatus(name);
    return this.#attempts.wanted('repositories', repositories.repositories, Date.now())
      ? repositories.load()
      : undefined;
  }

  #loadStatus(name: string): void {
    const { repositories } = this.#app.stores;
    if (this.#attempts.wanted(statusKey(name), repositories.status(name), Date.now()))
      void repositories.loadStatus(name);
  }
}

const statusKey = (repository: string): string => `status/${repository}`;
