/** The Policies view: joins its model with the workspace, the stores and VS Code, and counts policies in trouble on its badge. */
import * as vscode from 'vscode';

import { policyLanguageId, policySuffix } from '../../contributions.ts';
import type { PolicyEntry } from '../../policy/policy-entries.ts';
import type { PolicySource } from '../../stores/index.ts';
import { namesText } from '../tree/texts.ts';
import { LoadAttempts } from '../tree/load-attempts.ts';
import { mayAsk } from '../tree/may-ask.ts';
import { TreeController } from '../tree/tree-controller.ts';
import type { ViewApp } from '../tree/view-app.ts';
import type { PoliciesControls } from '../tree/view-controls.ts';
import { PoliciesModel } from './policies-model.ts';
import type { PoliciesData, PoliciesNode } from './policies-nodes.ts';

export class PoliciesView implements PoliciesControls {
  readonly #app: ViewApp;
  readonly #attempts = new LoadAttempts();
  readonly #model: PoliciesModel;
  readonly #controller: TreeController<PoliciesNode>;

  constructor(app: ViewApp) {
    this.#app = app;
    const { own, contextKeys, logs, policyFiles, stores, daemon } = app;
    this.#model = new PoliciesModel(viewData(app));
    this.#controller = own(
      new TreeController<PoliciesNode>({
        id: 'tidemark.policies',
        model: this.#model,
        load: (node) => this.#load(node),
        retry: (node) => this.#attempts.renew(node.id),
        head: () => this.#model.head(),
        everyMs: 250,
        tickMs: 60_000,
      }),
    );
    const changed = (): void => {
      contextKeys.set('tidemark:policies.count', app.policies.entries.length);
      this.#showBadge();
      this.#controller.refresh();
    };
    own(
      policyFiles.onDidChange(() => {
        if (policyFiles.failure !== undefined)
          logs.warn('the workspace could not be searched for policies', policyFiles.failure);
        changed();
      }),
    );
    own(stores.policies.onDidChange(changed));
    own(stores.policyDetails.onDidChange(() => this.#controller.refresh()));
    own(daemon.onDidConnect(() => this.#attempts.renew()));
    own(daemon.onDidChangeState(changed));
    own(
      vscode.languages.onDidChangeDiagnostics(({ uris }) => {
        if (uris.some(({ path }) => path.endsWith(policySuffix))) this.#controller.refresh();
      }),
    );
    contextKeys.set('tidemark:policies.count', 0);
  }

  async refresh(): Promise<void> {
    const { policyFiles, stores, daemon } = this.#app;
    this.#attempts.renew();
    stores.policyDetails.expire();
    await Promise.all([policyFiles.reload(), mayAsk(daemon) ? stores.policies.load({ force: true }) : undefined]);
    this.#controller.refreshNow();
  }

  loadMore(list: string): void {
    this.#model.limits.grow(list);
    this.#controller.refreshNow();
  }

  #showBadge(): void {
    const { view } = this.#controller;
    const names = this.#model.inTrouble().map(({ name }) => name);
    const tooltip = vscode.l10n.t('Policies that need attention: {0}', namesText(names));
    if ((view.badge?.value ?? 0) === names.length && (names.length === 0 || view.badge?.tooltip === tooltip)) return;
    view.badge = names.length === 0 ? undefined : { value: names.length, tooltip };
  }

  #load(node: PoliciesNode | undefined): Promise<unknown> | undefined {
    const { policyFiles, stores, daemon } = this.#app;
    const wanted = (key: string, cached: Parameters<LoadAttempts['wanted']>[1]): boolean =>
      mayAsk(daemon) && this.#attempts.wanted(key, cached, Date.now());
    if (node === undefined) {
      const applied = wanted('policies', stores.policies.policies) ? stores.policies.load() : undefined;
      const files = policyFiles.load();
      return applied === undefined && files === undefined ? undefined : Promise.all([applied, files]);
    }
    if (node.kind === 'policyVersions') {
      const { policyDetails } = stores;
      const due = wanted(node.id, policyDetails.versions(node.policyName));
      return due ? policyDetails.loadVersions(node.policyName) : undefined;
    }
    if (node.kind !== 'policyVms') return undefined;
    const entry = this.#model.entry(node.policy);
    const source = entry === undefined ? undefined : sourceOf(entry);
    if (source === undefined) return undefined;
    return wanted(`${node.id}/${source.sha256}`, stores.policyDetails.vms(source))
      ? stores.policyDetails.loadVms(source)
      : undefined;
  }
}

/** The text that decides which VMs are shown: that of the file, else the applied one. */
function sourceOf({ name, file, applied }: PolicyEntry): PolicySource | undefined {
  const { text, sha256 } = file?.content ?? {};
  if (text !== undefined && sha256 !== undefined) return { name, sha256, text };
  return applied === undefined ? undefined : { name, sha256: applied.current.sha256 };
}

function viewData({ policies, policyFiles, stores, daemon }: ViewApp): PoliciesData {
  return {
    get entries() {
      return policies.entries;
    },
    get folders() {
      return new Map(policyFiles.files.map(({ folderUri, folderName }) => [folderUri, folderName]));
    },
    get failure() {
      return policyFiles.failure instanceof Error ? policyFiles.failure.message : undefined;
    },
    get appliedFailure() {
      return stores.policies.policies.error?.message;
    },
    get readAt() {
      return stores.policies.policies.readAt;
    },
    get trusted() {
      return vscode.workspace.isTrusted;
    },
    get connected() {
      return daemon.state.kind === 'connected';
    },
    get now() {
      return Date.now();
    },
    errors: errorsIn,
    vms: (entry) => {
      const source = sourceOf(entry);
      return source === undefined ? { state: 'unread', value: [], stale: false } : stores.policyDetails.vms(source);
    },
    versions: (name) => stores.policyDetails.versions(name),
    vm: (host, id) => stores.vms.vm(host, id),
  };
}

/** Errors of a file that is open: others were not looked at. */
function errorsIn(uri: string): number {
  const document = vscode.workspace.textDocuments.find((open) => open.uri.toString() === uri);
  if (document?.languageId !== policyLanguageId) return 0;
  const found = vscode.languages.getDiagnostics(document.uri);
  return found.filter(({ severity }) => severity === vscode.DiagnosticSeverity.Error).length;
}
