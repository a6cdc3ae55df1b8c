/** The composition root: makes the parts of a window and joins them. Nothing here connects, reads or asks anything. */
import * as vscode from 'vscode';

import { useTranslator } from './base/l10n.ts';
import { ErrorReporter } from './commands/error-reporter.ts';
import { CommandRegistry } from './commands/registry.ts';
import type { DaemonControl } from './daemon/link.ts';
import { createDaemonControl } from './daemon-control.ts';
import { parts } from './parts.ts';
import { KnownPolicies } from './policy/known-policies.ts';
import { PolicyFiles } from './policy/policy-files.ts';
import { createStores } from './stores/index.ts';
import type { Stores } from './stores/index.ts';
import { InventoryFeed } from './stores/inventory-feed.ts';
import { ContextKeySetter } from './ui/context-keys.ts';
import { createLogs } from './ui/log.ts';
import type { Logs } from './ui/log.ts';
import { Notify } from './ui/notify.ts';
import { readSetting } from './ui/settings.ts';
import { StatusBar } from './ui/status-bar.ts';
import { createViews } from './views/index.ts';
import type { ViewControls } from './views/index.ts';

/** What the parts of the extension (views, commands, run page, tools) work with. */
export interface App {
  readonly extension: vscode.ExtensionContext;
  readonly daemon: DaemonControl;
  readonly stores: Stores;
  readonly policyFiles: PolicyFiles;
  readonly policies: KnownPolicies;
  readonly commands: CommandRegistry;
  readonly logs: Logs;
  readonly notify: Notify;
  readonly errors: ErrorReporter;
  readonly contextKeys: ContextKeySetter;
  readonly statusBar: StatusBar;
  readonly views: ViewControls;
  /** Takes ownership: freed when the extension is deactivated. */
  readonly own: <T extends { dispose(): unknown }>(disposable: T) => T;
  /** What VS Code waits for when it deactivates the extension; called once for each thing that must end in order. */
  readonly endsWith: (stop: () => Promise<void>) => void;
  /** Ends all of that. Does not throw. */
  readonly end: () => Promise<void>;
}

/** Adds what a part of the extension contributes. Registers only: no I/O, no network. */
export type Part = (app: App) => void;

/** Makes the application. */
export function createApp(extension: vscode.ExtensionContext): App {
  useTranslator((message, ...args) => vscode.l10n.t(message, ...args));
  const own = <T extends { dispose(): unknown }>(disposable: T): T => {
    extension.subscriptions.push(disposable);
    return disposable;
  };
  const logs = own(createLogs());
  const notify = new Notify(extension.globalState, (error) => errors.report('message action', error));
  const errors = new ErrorReporter(logs, notify);
  const contextKeys = new ContextKeySetter();
  const daemon = own(createDaemonControl({ extension, logs, notify }));
  const stores = createStores(daemon, {
    hostTimeoutMs: () => readSetting('tidemark.inventory.hostTimeoutSeconds') * 1000,
    freshMs: () => readSetting('tidemark.inventory.refreshMinutes') * 60_000,
    recentRuns: () => readSetting('tidemark.runs.recentCount'),
  });
  for (const store of Object.values(stores)) own(store);
  own(new InventoryFeed(daemon, stores, (error) => logs.warn('inventory is not followed', error)));
  const commands = new CommandRegistry(daemon, logs, errors);
  const statusBar = own(new StatusBar());
  const policyFiles = own(new PolicyFiles());
  const policies = new KnownPolicies({ files: policyFiles, policies: stores.policies });
  const views = createViews({ extension, daemon, stores, policyFiles, policies, logs, contextKeys, own });
  const ends: (() => Promise<void>)[] = [];
  const app: App = {
    extension,
    daemon,
    stores,
    policyFiles,
    policies,
    commands,
    logs,
    notify,
    errors,
    contextKeys,
    statusBar,
    views,
    own,
    endsWith: (stop) => void ends.push(stop),
    end: async () => void (await Promise.allSettled(ends.map(async (stop) => stop()))),
  };
  for (const part of parts) part(app);
  for (const id of commands.missing()) logs.error(`command ${id} is in the manifest and has no handler`);
  return app;
}
