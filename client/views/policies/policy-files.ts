/** Finds the policy files of the workspace, and again when files come or go. */
import * as vscode from 'vscode';

import { Emitter } from '../../base/events.ts';
import type { Event } from '../../base/events.ts';
import { policySuffix } from './policies-model.ts';
import type { PolicyFile } from './policies-model.ts';

const pattern = `**/*${policySuffix}`;
/** More files than anybody has policies: keeps a wrong folder from costing much. */
const maxFiles = 5000;
/** A checkout changes many files at once: one search for all of them, ms. */
const settleMs = 300;

/** Searches when first asked to. Works in any workspace that can be searched, trusted or not: nothing of a file is run. */
export class PolicyFiles implements vscode.Disposable {
  readonly #emitter = new Emitter<undefined>();
  readonly #owned: vscode.Disposable[] = [];
  #files: readonly PolicyFile[] | undefined;
  #failure: unknown;
  #searching: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  readonly onDidChange: Event<undefined> = (listener) => this.#emitter.event(listener);

  get files(): readonly PolicyFile[] {
    return this.#files ?? [];
  }

  /** Why the last search failed. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Searches unless that was done. Does not throw: a failure is in `failure`. */
  load(): Promise<void> | undefined {
    if (this.#files !== undefined) return undefined;
    if (this.#owned.length === 0) this.#watch();
    return this.search();
  }

  /** Searches again. Whoever asks while a search runs waits for the same one. */
  async search(): Promise<void> {
    this.#searching ??= this.#find().finally(() => (this.#searching = undefined));
    await this.#searching;
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#emitter.dispose();
    for (const owned of this.#owned) owned.dispose();
  }

  #watch(): void {
    const watcher = vscode.workspace.createFileSystemWatcher(pattern, false, true, false);
    const later = (): void => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.search(), settleMs);
    };
    this.#owned.push(
      watcher,
      watcher.onDidCreate(later),
      watcher.onDidDelete(later),
      vscode.workspace.onDidChangeWorkspaceFolders(later),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.#emitter.fire(undefined)),
    );
  }

  async #find(): Promise<void> {
    try {
      const uris = await vscode.workspace.findFiles(pattern, undefined, maxFiles);
      this.#files = uris.flatMap(policyFile);
      this.#failure = undefined;
    } catch (error) {
      this.#files ??= [];
      this.#failure = error;
    }
    this.#emitter.fire(undefined);
  }
}

function policyFile(uri: vscode.Uri): readonly PolicyFile[] {
  const folder = vscode.workspace.getWorkspaceFolder(uri);
  if (folder === undefined) return [];
  const path = vscode.workspace.asRelativePath(uri, false);
  return [{ uri: uri.toString(), path, folderUri: folder.uri.toString(), folderName: folder.name }];
}
