/** The language server as VS Code starts it, a process of its own over IPC, and an editor that types and waits for what it is told. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import {
  createProtocolConnection,
  ExitNotification,
  InitializeRequest,
  IPCMessageReader,
  IPCMessageWriter,
  PublishDiagnosticsNotification,
  ShutdownRequest,
} from 'vscode-languageserver-protocol/node';
import type { ProtocolConnection } from 'vscode-languageserver-protocol/node';

import {
  getPolicyInventory,
  listPolicyFiles,
  policyInventoryDidChange,
} from '../../../server/protocol/policy-language.ts';
import type { PolicyInventory } from '../../../server/protocol/policy-inventory.ts';
import { inventoryOf, policyText } from './world.ts';
import type { PolicyWorld } from './world.ts';

const bundle = fileURLToPath(new URL('../../../dist/server/policy-language.js', import.meta.url));
export const policyUri = (n: number): string => `file:///policies/p${n}.backup.yaml`;

export class BenchEditor implements AsyncDisposable {
  readonly connection: ProtocolConnection;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #published = new Map<string, () => void>();
  #version = 0;
  #inventory: PolicyInventory;

  private constructor(world: PolicyWorld) {
    this.#child = fork(bundle, ['--node-ipc'], { execArgv: [] });
    this.#ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.connection = createProtocolConnection(new IPCMessageReader(this.#child), new IPCMessageWriter(this.#child));
    this.#inventory = inventoryOf(world);
    const files = Array.from({ length: world.policies }, (_, n) => ({ uri: policyUri(n), text: policyText(n, world) }));
    this.connection.onRequest(getPolicyInventory.method, () => ({
      inventory: this.#inventory,
      applied: [],
      trusted: true,
    }));
    this.connection.onRequest(listPolicyFiles.method, () => ({ files }));
    this.connection.onNotification(PublishDiagnosticsNotification.type, ({ uri, version = 0 }) =>
      this.#published.get(`${uri} ${version}`)?.(),
    );
    this.connection.listen();
  }

  /** Starts the server; it has asked for everything when this ends. */
  static async start(world: PolicyWorld): Promise<BenchEditor> {
    const editor = new BenchEditor(world);
    await editor.connection.sendRequest(InitializeRequest.type, {
      processId: process.pid,
      rootUri: null,
      capabilities: {},
      initializationOptions: { documentation: 'https://docs.example/policies' },
    });
    await editor.connection.sendNotification('initialized', {});
    return editor;
  }

  /** Opens a file, and waits until it was checked. */
  async open(uri: string, text: string): Promise<void> {
    const textDocument = { uri, languageId: 'backup-policy', version: ++this.#version, text };
    const checked = this.checked(uri);
    await this.connection.sendNotification('textDocument/didOpen', { textDocument });
    await checked;
  }

  /** Types one character. Gives how long it took until the diagnostics of that version were there, ms. */
  async type(uri: string, line: number, character: number, text: string): Promise<number> {
    this.#version += 1;
    const checked = this.checked(uri);
    const started = performance.now();
    const position = { line, character };
    await this.connection.sendNotification('textDocument/didChange', {
      textDocument: { uri, version: this.#version },
      contentChanges: [{ range: { start: position, end: position }, text }],
    });
    await checked;
    return performance.now() - started;
  }

  /** One VM was backed up: tells that the inventory changed. Gives how long it took until an open file was checked anew, ms. */
  async changeInventory(uri: string): Promise<number> {
    const checked = this.checked(uri);
    const [first, ...others] = this.#inventory.vms;
    const lastBackupAt = new Date().toISOString();
    if (first !== undefined) this.#inventory = { ...this.#inventory, vms: [{ ...first, lastBackupAt }, ...others] };
    const started = performance.now();
    await this.connection.sendNotification(policyInventoryDidChange.method, {});
    await checked;
    return performance.now() - started;
  }

  /** The largest memory of the server so far, bytes. Linux only; 0 elsewhere. */
  async peakBytes(): Promise<number> {
    if (process.platform !== 'linux') return 0;
    const status = await readFile(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.sendRequest(ShutdownRequest.type);
    await this.connection.sendNotification(ExitNotification.type);
    await this.#ended;
    this.connection.dispose();
  }

  private checked(uri: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#published.set(`${uri} ${this.#version}`, resolve);
    return promise;
  }
}
