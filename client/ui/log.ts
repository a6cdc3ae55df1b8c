/** The log of the extension. It never shows itself: a command or a button does. */
import * as vscode from 'vscode';

import { describeError, redact } from '../../server/base/log.ts';

/** Where the extension writes for whoever looks into what happened. Everything is redacted. */
export interface Logs extends vscode.Disposable {
  info(message: string): void;
  warn(message: string, error?: unknown): void;
  error(message: string, error?: unknown): void;
  debug(message: string): void;
  /** Shows it, because the user asked for it. */
  show(): void;
}

/** Makes the channel. The daemon's log is a file, which `Show Daemon Log` opens. */
export function createLogs(): Logs {
  const channel = vscode.window.createOutputChannel('Tidemark', { log: true });
  const text = (message: string, error?: unknown): string =>
    redact(error === undefined ? message : `${message}\n${describeError(error)}`);
  return {
    info: (message) => channel.info(text(message)),
    warn: (message, error) => channel.warn(text(message, error)),
    error: (message, error) => channel.error(text(message, error)),
    debug: (message) => channel.debug(text(message)),
    show: () => channel.show(false),
    dispose: () => channel.dispose(),
  };
}
