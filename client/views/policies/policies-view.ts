/** The Policies view: joins its model with the workspace. */
import * as vscode from 'vscode';

import type { ViewApp } from '../tree/view-app.ts';
import { TreeController } from '../tree/tree-controller.ts';
import type { PoliciesControls } from '../tree/view-controls.ts';
import { PoliciesModel } from './policies-model.ts';
import type { PoliciesNode } from './policies-model.ts';
import { PolicyFiles } from './policy-files.ts';

export class PoliciesView implements PoliciesControls {
  readonly #files: PolicyFiles;
  readonly #model: PoliciesModel;
  readonly #controller: TreeController<PoliciesNode>;

  constructor({ own, contextKeys, logs }: ViewApp) {
    const files = own(new PolicyFiles());
    this.#files = files;
    this.#model = new PoliciesModel({
      get files() {
        return files.files;
      },
      get failure() {
        return files.failure instanceof Error ? files.failure.message : undefined;
      },
      get trusted() {
        return vscode.workspace.isTrusted;
      },
    });
    this.#controller = own(
      new TreeController<PoliciesNode>({
        id: 'tidemark.policies',
        model: this.#model,
        load: (node) => (node === undefined ? files.load() : undefined),
        head: () => this.#model.head(),
        everyMs: 250,
        tickMs: 600_000,
      }),
    );
    contextKeys.set('tidemark:policies.count', 0);
    own(
      files.onDidChange(() => {
        if (files.failure !== undefined) logs.warn('the workspace could not be searched for policies', files.failure);
        contextKeys.set('tidemark:policies.count', files.files.length);
        this.#controller.refresh();
      }),
    );
  }

  async refresh(): Promise<void> {
    await this.#files.search();
    this.#controller.refreshNow();
  }

  loadMore(list: string): void {
    this.#model.limits.grow(list);
    this.#controller.refreshNow();
  }
}
