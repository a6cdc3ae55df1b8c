/** The composition root: makes the parts of a window and joins them. Nothing here connects, reads or asks anything. */
import * as vscode from 'vscode';

import { useTranslator } from './base/l10n.ts';
import { ErrorReporter } from './commands/error-reporter.ts';
import { CommandRegistry } from './commands/registry.ts';
import type { DaemonControl } from './daemon/link.ts';
import { createDaemonControl } from './daemon-control.ts';
import { parts } from './parts.ts';
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
  readonly commands: CommandRegistry;
  readonly logs: Logs;
  readonly notify: Notify;
  readonly errors: ErrorReporter;
  readonly contextKeys: ContextKeySetter;
  readonly statusBar: StatusBar;
  readonly views: ViewControls;
  /** Takes ownership: freed when the extension is deactivated. */
  readonly own: <T extends { dispose(): unknown }>(disposable: T) => T;
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
  const views = createViews({ extension, daemon, stores, logs, contextKeys, own });
  const app: App = { extension, daemon, stores, commands, logs, notify, errors, contextKeys, statusBar, views, own };
  for (const part of parts) part(app);
  for (const id of commands.missing()) logs.error(`command ${id} is in the manifest and has no handler`);
  return app;
}
