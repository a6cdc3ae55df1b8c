/** An editor that talks to a language server over streams in memory: what it was sent, and what it answers. */
import { PassThrough } from 'node:stream';

import {
  CodeLensRefreshRequest,
  createConnection,
  InitializeRequest,
  LogMessageNotification,
  ProposedFeatures,
  PublishDiagnosticsNotification,
  ShowMessageNotification,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import { createProtocolConnection } from 'vscode-languageserver-protocol/node';
import type { ProtocolConnection } from 'vscode-languageserver-protocol/node';
import type { Diagnostic, InitializeResult } from 'vscode-languageserver';

import { serve } from '../../../server/language/connection.ts';
import type { Timers } from '../../../server/language/session/checks.ts';
import { getPolicyInventory, listPolicyFiles } from '../../../server/protocol/policy-language.ts';
import { now, sampleInventory } from './support.ts';

/** Timers that fire when they are told to. */
export class ManualTimers implements Timers {
  readonly #waiting = new Set<() => void>();

  readonly after = (_ms: number, callback: () => void): Disposable => {
    this.#waiting.add(callback);
    return { [Symbol.dispose]: () => this.#waiting.delete(callback) };
  };

  get waiting(): number {
    return this.#waiting.size;
  }

  fire(): void {
    const due = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of due) callback();
  }
}

export class FakeEditor implements Disposable {
  readonly connection: ProtocolConnection;
  readonly timers = new ManualTimers();
  /** What the editor answers. */
  inventory: unknown = { inventory: sampleInventory(), applied: [], trusted: true };
  files: readonly { readonly uri: string; readonly text: string }[] = [];
  /** Questions of the server, by method. */
  readonly asked: string[] = [];
  readonly published = new Map<string, readonly Diagnostic[]>();
  readonly logged: string[] = [];
  readonly shown: string[] = [];
  #versions = 0;

  constructor() {
    const [up, down] = [new PassThrough(), new PassThrough()];
    serve(createConnection(ProposedFeatures.all, new StreamMessageReader(up), new StreamMessageWriter(down)), {
      clock: () => now,
      timers: this.timers,
    });
    this.connection = createProtocolConnection(new StreamMessageReader(down), new StreamMessageWriter(up));
    this.#listen();
  }

  /** Says hello; the server asks what it needs by itself. */
  async start(options: unknown = { documentation: 'https://docs.example/policies' }): Promise<InitializeResult> {
    this.connection.listen();
    const result = await this.connection.sendRequest(InitializeRequest.type, {
      processId: null,
      rootUri: null,
      capabilities: { workspace: { codeLens: { refreshSupport: true } } },
      initializationOptions: options,
    });
    await this.connection.sendNotification('initialized', {});
    await this.settled();
    return result;
  }

  async open(uri: string, text: string): Promise<void> {
    const textDocument = { uri, languageId: 'backup-policy', version: ++this.#versions, text };
    await this.connection.sendNotification('textDocument/didOpen', { textDocument });
    await this.checked();
  }

  async type(uri: string, text: string): Promise<void> {
    await this.connection.sendNotification('textDocument/didChange', {
      textDocument: { uri, version: ++this.#versions },
      contentChanges: [{ text }],
    });
  }

  /** Everything that was said until now was handled by both sides. */
  async settled(): Promise<void> {
    for (let round = 0; round < 20; round++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** The checks that wait were made. */
  async checked(): Promise<void> {
    await this.settled();
    this.timers.fire();
    await this.settled();
  }

  /** Codes of what is shown in a file. */
  codes(uri: string): readonly string[] {
    return (this.published.get(uri) ?? []).map(({ code }) => String(code));
  }

  [Symbol.dispose](): void {
    this.connection.dispose();
  }

  #listen(): void {
    this.connection.onNotification(PublishDiagnosticsNotification.type, ({ uri, diagnostics }) => {
      this.published.set(uri, diagnostics);
    });
    this.connection.onNotification(LogMessageNotification.type, ({ message }) => void this.logged.push(message));
    this.connection.onNotification(ShowMessageNotification.type, ({ message }) => void this.shown.push(message));
    this.connection.onRequest(CodeLensRefreshRequest.type, () => void this.asked.push(CodeLensRefreshRequest.method));
    this.connection.onRequest(getPolicyInventory.method, () => {
      this.asked.push(getPolicyInventory.method);
      return this.inventory;
    });
    this.connection.onRequest(listPolicyFiles.method, () => {
      this.asked.push(listPolicyFiles.method);
      return { files: this.files };
    });
  }
}
