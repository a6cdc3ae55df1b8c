/** Sets context keys, typed, and only when they change. */
import * as vscode from 'vscode';

import type { ContextKey, ContextKeys } from '../contributions.ts';

export class ContextKeySetter {
  readonly #values = new Map<ContextKey, unknown>();

  /** Makes `value` visible to when-clauses. */
  set<K extends ContextKey>(key: K, value: ContextKeys[K]): void {
    if (this.#values.get(key) === value) return;
    this.#values.set(key, value);
    void vscode.commands.executeCommand('setContext', key, value);
  }

  /** The value set last, for tests and the issue report. */
  get(key: ContextKey): unknown {
    return this.#values.get(key);
  }
}
