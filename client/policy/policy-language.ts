/** The language support of policy files: starts the server when the first one is open, and keeps it told. */
import { createRequire } from 'node:module';
import { join } from 'node:path';

import * as vscode from 'vscode';

import { TidemarkError } from '../../server/protocol/errors.ts';
import {
  getPolicyInventory,
  listPolicyFiles,
  policyFilesDidChange,
  policyInventoryDidChange,
} from '../../server/protocol/policy-language.ts';
import type { App } from '../app.ts';
import { Subscriptions } from '../base/events.ts';
import { policyLanguageId } from '../contributions.ts';
import { onSettingChange, readSetting } from '../ui/settings.ts';
import { InventoryAnswers } from './inventory-answers.ts';
import type { LanguageClientBundle, PolicyLanguageClient, ServerState } from './language-client-api.ts';
import { LanguageStatus } from './language-status.ts';
import { policyHelpUri, registerPolicyHelp } from './policy-help.ts';
import { RestartBudget } from './restart-budget.ts';

/** Changes are told at most so often, ms. */
const settleMs = 200;

export class PolicyLanguage implements vscode.Disposable {
  readonly #app: App;
  readonly #owned = new Subscriptions();
  readonly #inventory: InventoryAnswers;
  readonly #budget = new RestartBudget(4, 180_000);
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #output: vscode.LogOutputChannel | undefined;
  #status: LanguageStatus | undefined;
  #client: PolicyLanguageClient | undefined;
  #server: ServerState = 'stopped';

  constructor(app: App) {
    this.#app = app;
    const trusted = (): boolean => vscode.workspace.isTrusted;
    this.#inventory = new InventoryAnswers({ stores: app.stores, daemon: app.daemon, trusted });
    this.#owned.add(registerPolicyHelp(app.extension.extensionUri));
    this.#owned.add(vscode.workspace.onDidOpenTextDocument((document) => this.#opened(document)));
  }

  /** Starts the server when a policy is open already. */
  begin(): void {
    for (const document of vscode.workspace.textDocuments) this.#opened(document);
  }

  /** Starts the server anew, as often as the user wants. Throws when it cannot be started. */
  async restart(): Promise<void> {
    this.#budget.renew();
    await this.stop();
    await this.#start();
  }

  /** Shows the log of the server, because the user asked for it. */
  showLog(): void {
    this.#channel().show(false);
  }

  /** Ends the server. Does not throw. */
  async stop(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.stop();
  }

  dispose(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#owned.dispose();
    void this.stop();
  }

  #opened({ languageId }: vscode.TextDocument): void {
    if (languageId !== policyLanguageId || this.#client !== undefined || this.#status !== undefined) return;
    this.#start().catch((error: unknown) => this.#failed(error));
  }

  async #start(): Promise<void> {
    if (this.#status === undefined) {
      this.#status = this.#owned.add(new LanguageStatus());
      // Whatever starts it first, a file or the command.
      this.#watch();
    }
    const { extensionPath } = this.#app.extension;
    const client = loadBundle(extensionPath).createLanguageClient({
      serverModule: join(extensionPath, 'dist/server/policy-language.js'),
      output: this.#channel(),
      options: { documentation: policyHelpUri.toString() },
      answers: [
        { method: getPolicyInventory.method, answer: async () => this.#inventory.answer() },
        { method: listPolicyFiles.method, answer: async () => this.#files() },
      ],
      lenses: () => readSetting('tidemark.policies.codeLens'),
      onState: (state) => (this.#client === client ? this.#setServer(state) : undefined),
      onEnd: () => this.#ended(),
    });
    this.#client = client;
    this.#setServer('starting');
    await client.start();
  }

  #channel(): vscode.LogOutputChannel {
    this.#output ??= this.#owned.add(vscode.window.createOutputChannel('Tidemark Policies', { log: true }));
    return this.#output;
  }

  /** What the server was told is asked for again when it has changed. */
  #watch(): void {
    const { stores, daemon, policyFiles } = this.#app;
    const inventory = (): void => this.#tell(policyInventoryDidChange.method);
    for (const store of [stores.hosts, stores.vms, stores.repositories, stores.policies])
      this.#owned.add(store.onDidChange(inventory));
    this.#owned.add(onSettingChange(['tidemark.policies.codeLens'], () => this.#client?.refreshLenses()));
    this.#owned.add(vscode.workspace.onDidGrantWorkspaceTrust(inventory));
    this.#owned.add(policyFiles.onDidChange(() => this.#tell(policyFilesDidChange.method)));
    this.#owned.add(
      daemon.onDidChangeState(() => {
        this.#showStatus();
        inventory();
      }),
    );
  }

  #tell(method: string): void {
    if (this.#timers.has(method)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(method);
      this.#client?.notify(method);
    }, settleMs);
    this.#timers.set(method, timer);
  }

  async #files(): Promise<{ readonly files: readonly { readonly uri: string; readonly text: string }[] }> {
    const { policyFiles } = this.#app;
    await policyFiles.load();
    const files = policyFiles.files.flatMap(({ uri, content: { text } }) =>
      text === undefined ? [] : [{ uri, text }],
    );
    return { files };
  }

  #setServer(state: ServerState): void {
    this.#server = state;
    this.#showStatus();
  }

  #showStatus(): void {
    this.#status?.show(this.#server, this.#app.daemon.state.kind);
  }

  #ended(): boolean {
    if (this.#budget.spend()) return true;
    this.#failed(new Error('The policy language server ended too often.'));
    return false;
  }

  /** Said once; the language status goes on saying it. */
  #failed(error: unknown): void {
    this.#setServer('stopped');
    this.#app.logs.error('the policy language server does not run', TidemarkError.from(error));
    const restart = { title: vscode.l10n.t('Restart'), run: async () => this.restart() };
    const log = { title: vscode.l10n.t('Show Log'), run: () => this.showLog() };
    const message = vscode.l10n.t('The policy language server does not run. Policies are not checked while you type.');
    void this.#app.notify.error(message, { actions: [restart, log] });
  }
}

function loadBundle(extensionPath: string): LanguageClientBundle {
  const file = join(extensionPath, 'dist/client/policy-language-client.cjs');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the bundle of client/policy/language-client.ts
  return createRequire(file)(file) as LanguageClientBundle;
}
