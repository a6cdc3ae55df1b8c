/** The Runs view: joins its model with the store of runs and VS Code, and counts failures nobody looked at on its badge. */
import * as vscode from 'vscode';

import type { ViewApp } from '../tree/view-app.ts';
import { storageKeys } from '../../contributions.ts';
import { LoadAttempts } from '../tree/load-attempts.ts';
import { mayAsk } from '../tree/may-ask.ts';
import { TreeController } from '../tree/tree-controller.ts';
import type { RunsControls } from '../tree/view-controls.ts';
import { FailuresSeen } from './failures-seen.ts';
import { RunsModel } from './runs-model.ts';
import type { RunsNode } from './runs-nodes.ts';

/** Progress reaches the tree at most so often, ms. */
const progressMs = 1000;

export class RunsView implements RunsControls {
  readonly #app: ViewApp;
  readonly #model: RunsModel;
  readonly #attempts = new LoadAttempts();
  readonly #controller: TreeController<RunsNode>;
  readonly #seen: FailuresSeen;

  constructor(app: ViewApp) {
    this.#app = app;
    const { stores, daemon, own, extension } = app;
    this.#seen = new FailuresSeen(extension.globalState, storageKeys.failuresSeen);
    this.#model = new RunsModel({
      get runs() {
        return stores.runs.runs;
      },
      run: (id) => stores.runs.run(id),
      get connected() {
        return daemon.state.kind === 'connected';
      },
      get now() {
        return Date.now();
      },
    });
    this.#controller = own(
      new TreeController<RunsNode>({
        id: 'tidemark.runs',
        model: this.#model,
        load: (node) => this.#load(node),
        head: () => this.#model.head(),
        everyMs: progressMs,
        tickMs: 60_000,
      }),
    );
    const { view } = this.#controller;
    own(stores.runs.onDidChange((change) => this.#changed(change.listChanged)));
    own(daemon.onDidConnect(() => this.#attempts.renew()));
    own(daemon.onDidChangeState(() => this.#controller.refreshNow()));
    own(view.onDidChangeVisibility(({ visible }) => (visible ? this.markSeen() : undefined)));
    own(view.onDidChangeSelection(() => this.markSeen()));
  }

  get filter(): string {
    return this.#model.filter;
  }

  setFilter(text: string): void {
    this.#model.filter = text;
    this.#app.contextKeys.set('tidemark:runs.filtered', this.#model.filter !== '');
    this.#controller.refreshNow();
  }

  loadMore(list: string): void {
    this.#model.limits.grow(list);
    this.#controller.refreshNow();
  }

  markSeen(): void {
    const last = this.#model.unseenFailures(this.#seen.upTo).map(({ finishedAt, queuedAt }) => finishedAt ?? queuedAt);
    const newest = last.toSorted().at(-1);
    if (newest === undefined) return;
    this.#seen.mark(newest).then(
      () => this.#showBadge(),
      (error: unknown) => this.#app.logs.warn('which failures were seen is not kept', error),
    );
  }

  /** A run that came, ended or moved shows at once; progress waits for its turn. */
  #changed(listChanged: boolean): void {
    if (listChanged) {
      this.#controller.refreshNow();
      this.#showBadge();
    } else {
      this.#controller.refresh();
    }
  }

  #showBadge(): void {
    const count = this.#model.unseenFailures(this.#seen.upTo).length;
    const { view } = this.#controller;
    if ((view.badge?.value ?? 0) === count) return;
    const tooltip = count === 1 ? vscode.l10n.t('1 run has failed') : vscode.l10n.t('{0} runs have failed', count);
    view.badge = count === 0 ? undefined : { value: count, tooltip };
  }

  #load(node: RunsNode | undefined): Promise<unknown> | undefined {
    const { stores, daemon } = this.#app;
    if (node !== undefined || !mayAsk(daemon)) return undefined;
    return this.#attempts.wanted('runs', stores.runs.runs, Date.now()) ? stores.runs.load() : undefined;
  }
}
