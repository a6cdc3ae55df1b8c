/** Finds the policy files of the workspace and reads them, and again when files come, go or change. */
import * as vscode from 'vscode';

import { Emitter } from '../base/events.ts';
import type { Event } from '../base/events.ts';
import { policySuffix } from '../contributions.ts';
import { maxFileBytes, policyContent } from './policy-file.ts';
import type { PolicyContent, PolicyFile } from './policy-file.ts';

const pattern = `**/*${policySuffix}`;
/** More files than anybody has policies: keeps a wrong folder from costing much. */
const maxFiles = 5000;
/** All of them together, bytes; the texts of files beyond are not kept. */
const maxBytes = 64 * 1_048_576;
/** Files that are read at a time. */
const maxReads = 16;
/** A checkout changes many files at once: one search for all of them, ms. */
const settleMs = 300;

/** Searches when first asked to. Works in any workspace that can be searched, trusted or not: nothing of a file is run. */
export class PolicyFiles implements vscode.Disposable {
  readonly #emitter = new Emitter<undefined>();
  readonly #owned: vscode.Disposable[] = [];
  /** What was read, by URI; a file that changed is taken out. */
  readonly #contents = new Map<string, PolicyContent>();
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

  file(uri: string): PolicyFile | undefined {
    return this.files.find((file) => file.uri === uri);
  }

  /** Searches unless that was done. Does not throw: a failure is in `failure`. */
  load(): Promise<void> | undefined {
    return this.#files === undefined ? this.search() : undefined;
  }

  /** Searches and reads everything again. */
  async reload(): Promise<void> {
    this.#contents.clear();
    await this.#searchAnew();
  }

  /** Searches again, and reads what was not read. Whoever asks while a search runs waits for the same one. */
  async search(): Promise<void> {
    // Whoever searches first: from then on changes count.
    if (this.#owned.length === 0) this.#watch();
    this.#searching ??= this.#find().finally(() => (this.#searching = undefined));
    await this.#searching;
  }

  /** A search that began earlier may have read what has changed since. */
  async #searchAnew(): Promise<void> {
    await this.#searching;
    await this.search();
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#emitter.dispose();
    for (const owned of this.#owned) owned.dispose();
  }

  #watch(): void {
    const watcher = vscode.workspace.createFileSystemWatcher(pattern);
    const later = (uri?: vscode.Uri): void => {
      if (uri !== undefined) this.#contents.delete(uri.toString());
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.#searchAnew(), settleMs);
    };
    this.#owned.push(
      watcher,
      watcher.onDidCreate(later),
      watcher.onDidDelete(later),
      watcher.onDidChange(later),
      vscode.workspace.onDidSaveTextDocument(({ uri }) => (uri.path.endsWith(policySuffix) ? later(uri) : undefined)),
      vscode.workspace.onDidChangeWorkspaceFolders(() => later()),
      vscode.workspace.onDidGrantWorkspaceTrust(() => this.#emitter.fire(undefined)),
    );
  }

  async #find(): Promise<void> {
    try {
      const uris = await vscode.workspace.findFiles(pattern, undefined, maxFiles);
      await this.#read(uris);
      this.#files = uris.flatMap((uri) => this.#file(uri));
      this.#failure = undefined;
    } catch (error) {
      this.#files ??= [];
      this.#failure = error;
    }
    this.#emitter.fire(undefined);
  }

  async #read(uris: readonly vscode.Uri[]): Promise<void> {
    const present = new Set(uris.map(String));
    for (const uri of this.#contents.keys()) if (!present.has(uri)) this.#contents.delete(uri);
    const unread = uris.filter((uri) => !this.#contents.has(uri.toString()));
    let room = maxBytes;
    const worker = async (): Promise<void> => {
      for (let uri = unread.pop(); uri !== undefined; uri = unread.pop()) {
        const bytes = room > 0 ? await bytesOf(uri) : undefined;
        room -= bytes?.length ?? 0;
        this.#contents.set(uri.toString(), bytes === undefined ? {} : policyContent(bytes));
      }
    };
    await Promise.all(Array.from({ length: maxReads }, worker));
  }

  #file(uri: vscode.Uri): readonly PolicyFile[] {
    const folder = vscode.workspace.getWorkspaceFolder(uri);
    if (folder === undefined) return [];
    const path = vscode.workspace.asRelativePath(uri, false);
    const content = this.#contents.get(uri.toString()) ?? {};
    return [{ uri: uri.toString(), path, folderUri: folder.uri.toString(), folderName: folder.name, content }];
  }
}

/** The content of a file; undefined for one that is too long, or went away, or may not be read. */
async function bytesOf(uri: vscode.Uri): Promise<Uint8Array | undefined> {
  try {
    const { size } = await vscode.workspace.fs.stat(uri);
    return size > maxFileBytes ? undefined : await vscode.workspace.fs.readFile(uri);
  } catch (error) {
    if (error instanceof vscode.FileSystemError) return undefined;
    throw error;
  }
}
