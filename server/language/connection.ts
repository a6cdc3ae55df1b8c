/** Joins the features with an editor: the only part that knows the protocol's connection. */
import {
  CodeActionKind,
  CodeLensRefreshRequest,
  ErrorCodes,
  MessageType,
  ResponseError,
  ShowMessageNotification,
  TextDocuments,
  TextDocumentSyncKind,
} from 'vscode-languageserver';
import type {
  Connection,
  InitializeParams,
  InitializeResult,
  RenameParams,
  ShowMessageParams,
  TextDocumentIdentifier,
  WorkspaceEdit,
} from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';

import { describeError } from '../base/log.ts';
import { TidemarkError } from '../protocol/errors.ts';
import {
  getPolicyInventory,
  languageOptions,
  listPolicyFiles,
  policyFilesDidChange,
  policyInventoryDidChange,
} from '../protocol/policy-language.ts';
import { codeActions } from './code-actions.ts';
import { complete } from './completion/complete.ts';
import type { LanguageContext } from './context.ts';
import { diagnosticsOf } from './diagnostics.ts';
import type { PolicyDocument } from './document.ts';
import { format } from './format/format.ts';
import { hover } from './hover/hover.ts';
import { inlayHints } from './inlay-hints.ts';
import { codeLenses } from './lenses.ts';
import { prepareRename, rename } from './rename.ts';
import { Asked } from './session/asked.ts';
import { Checks, nodeTimers } from './session/checks.ts';
import type { Timers } from './session/checks.ts';
import { newerKnowledge, nothingKnown, Session } from './session/session.ts';
import type { EditorKnowledge } from './session/session.ts';
import { filePolicies } from './session/workspace-policies.ts';
import type { FilePolicy } from './session/workspace-policies.ts';
import { documentSymbols, foldingRanges, selectionRanges } from './structure.ts';

/** How long after a keystroke a file is checked, ms. */
const checkDelayMs = 100;
/** And the other open files, whose names may be there twice now. */
const othersDelayMs = 500;

export interface ServerOptions {
  /** ms since 1970. */
  readonly clock?: () => number;
  readonly timers?: Timers;
}

/** Serves one editor until the connection is closed. */
export function serve(connection: Connection, { clock = Date.now, timers = nodeTimers }: ServerOptions = {}): void {
  new PolicyServer(connection, clock, timers).listen();
}

class PolicyServer {
  readonly #connection: Connection;
  readonly #documents = new TextDocuments(TextDocument);
  readonly #session: Session;
  readonly #checks: Checks;
  readonly #knowledge: Asked<EditorKnowledge>;
  readonly #files: Asked<readonly FilePolicy[]>;
  #refreshes: readonly (() => Promise<void>)[] = [];

  constructor(connection: Connection, clock: () => number, timers: Timers) {
    this.#connection = connection;
    this.#checks = new Checks((uri) => this.#check(uri), timers);
    const asked = {
      changed: () => this.#learnt(),
      failed: (error: unknown) => this.#log('The editor did not answer', error),
    };
    this.#knowledge = new Asked(nothingKnown, { ...asked, ask: () => this.#askInventory() });
    this.#files = new Asked<readonly FilePolicy[]>([], { ...asked, ask: () => this.#askFiles() });
    this.#session = new Session({
      knowledge: () => this.#knowledge.answer,
      files: () => this.#files.answer,
      open: () => this.#documents.all(),
      clock,
    });
  }

  listen(): void {
    const connection = this.#connection;
    connection.onInitialize((params) => this.#initialize(params));
    connection.onInitialized(() => this.#ask());
    connection.onNotification(policyInventoryDidChange.method, () => void this.#knowledge.refresh());
    connection.onNotification(policyFilesDidChange.method, () => void this.#files.refresh());
    connection.onShutdown(() => this.#checks[Symbol.dispose]());
    this.#documents.onDidChangeContent(({ document }) => this.#changed(document.uri));
    this.#documents.onDidClose(({ document }) => this.#closed(document.uri));
    this.#listenToQuestions();
    this.#listenToEdits();
    this.#documents.listen(connection);
    connection.listen();
  }

  #listenToQuestions(): void {
    const connection = this.#connection;
    connection.onCompletion(({ textDocument, position }) =>
      this.#answer('completion', textDocument, null, (document, context) => complete(document, position, context)),
    );
    connection.onHover(({ textDocument, position }) =>
      this.#answer('hover', textDocument, null, (document, context) => hover(document, position, context) ?? null),
    );
    connection.onCodeLens(({ textDocument }) =>
      this.#answer('lenses', textDocument, null, (document, context) => [...codeLenses(document, context)]),
    );
    connection.languages.inlayHint.on(({ textDocument, range }) =>
      this.#answer('hints', textDocument, null, (document, context) => [...inlayHints(document, range, context)]),
    );
    connection.onDocumentSymbol(({ textDocument }) => this.#answer('symbols', textDocument, null, documentSymbols));
    connection.onFoldingRanges(({ textDocument }) => this.#answer('folding', textDocument, null, foldingRanges));
    connection.onSelectionRanges(({ textDocument, positions }) =>
      this.#answer('selection', textDocument, null, (document) => selectionRanges(document, positions)),
    );
  }

  #listenToEdits(): void {
    const connection = this.#connection;
    connection.onCodeAction(({ textDocument, range }) =>
      this.#answer('actions', textDocument, null, (document, context) =>
        codeActions(document, range, this.#session.findings(document, context), context),
      ),
    );
    connection.onDocumentFormatting(({ textDocument }) => this.#answer('formatting', textDocument, null, format));
    connection.onPrepareRename(({ textDocument, position }) =>
      this.#answer('rename', textDocument, null, (document) => prepareRename(document, position) ?? null),
    );
    connection.onRenameRequest((params) =>
      this.#answer('rename', params.textDocument, null, (document, context) => this.#rename(document, params, context)),
    );
  }

  #initialize({ initializationOptions, capabilities }: InitializeParams): InitializeResult {
    this.#session.documentation = this.#documentation(initializationOptions);
    this.#refreshes = [
      ...(capabilities.workspace?.codeLens?.refreshSupport === true
        ? [() => this.#connection.sendRequest(CodeLensRefreshRequest.type)]
        : []),
      ...(capabilities.workspace?.inlayHint?.refreshSupport === true
        ? [() => this.#connection.languages.inlayHint.refresh()]
        : []),
    ];
    return {
      serverInfo: { name: 'tidemark-policy-language' },
      capabilities: {
        textDocumentSync: { openClose: true, change: TextDocumentSyncKind.Incremental },
        completionProvider: { triggerCharacters: [' ', '[', '{', ',', '"'] },
        hoverProvider: true,
        codeLensProvider: {},
        inlayHintProvider: true,
        codeActionProvider: { codeActionKinds: [CodeActionKind.QuickFix, CodeActionKind.RefactorRewrite] },
        documentSymbolProvider: true,
        foldingRangeProvider: true,
        selectionRangeProvider: true,
        renameProvider: { prepareProvider: true },
        documentFormattingProvider: true,
      },
    };
  }

  /** Without it diagnostics have no links; they are of use all the same. */
  #documentation(options: unknown): string | undefined {
    try {
      return languageOptions(options, 'initializationOptions').documentation;
    } catch (error) {
      this.#log('The editor gave no options', error);
      return undefined;
    }
  }

  #ask(): void {
    void this.#knowledge.refresh();
    void this.#files.refresh();
  }

  async #askInventory(): Promise<EditorKnowledge> {
    const answer: unknown = await this.#connection.sendRequest(getPolicyInventory.method, {});
    const { inventory, applied, trusted } = getPolicyInventory.result(answer, '');
    return newerKnowledge(this.#knowledge.answer, { inventory, applied, trusted });
  }

  async #askFiles(): Promise<readonly FilePolicy[]> {
    const answer: unknown = await this.#connection.sendRequest(listPolicyFiles.method, {});
    return filePolicies(listPolicyFiles.result(answer, '').files, this.#files.answer);
  }

  /** The editor answered: what was said about the open files may be different now. */
  #learnt(): void {
    for (const { uri } of this.#documents.all()) this.#checks.schedule(uri, 0);
    for (const refresh of this.#refreshes) this.#send(refresh());
  }

  #changed(uri: string): void {
    this.#checks.schedule(uri, checkDelayMs);
    for (const document of this.#documents.all()) {
      if (document.uri !== uri) this.#checks.schedule(document.uri, othersDelayMs);
    }
  }

  #closed(uri: string): void {
    this.#checks.cancel(uri);
    this.#session.forget(uri);
    this.#send(this.#connection.sendDiagnostics({ uri, diagnostics: [] }));
    for (const document of this.#documents.all()) this.#checks.schedule(document.uri, othersDelayMs);
  }

  #check(uri: string): void {
    const text = this.#documents.get(uri);
    if (text === undefined) return;
    const { version } = text;
    const diagnostics = this.#answer('diagnostics', { uri }, undefined, (document, context) =>
      diagnosticsOf(document, this.#session.findings(document, context), context),
    );
    if (diagnostics !== undefined) this.#send(this.#connection.sendDiagnostics({ uri, version, diagnostics }));
  }

  /** Answers about an open document. Defects are logged, and never thrown at the user. */
  #answer<T, F>(
    what: string,
    { uri }: TextDocumentIdentifier,
    fallback: F,
    feature: (document: PolicyDocument, context: LanguageContext) => T,
  ): T | F {
    const text = this.#documents.get(uri);
    if (text === undefined) return fallback;
    try {
      const document = this.#session.document(text);
      return feature(document, this.#session.contextOf(document));
    } catch (error) {
      this.#log(`A defect in ${what}`, error);
      return fallback;
    }
  }

  #rename(
    document: PolicyDocument,
    { position, newName }: RenameParams,
    context: LanguageContext,
  ): WorkspaceEdit | ResponseError {
    try {
      const { edit, notice } = rename(document, position, newName, context);
      if (notice !== undefined) {
        const message: ShowMessageParams = { type: MessageType.Info, message: notice };
        this.#send(this.#connection.sendNotification(ShowMessageNotification.type, message));
      }
      return edit;
    } catch (error) {
      if (TidemarkError.is(error)) return new ResponseError(ErrorCodes.InvalidParams, error.message);
      throw error;
    }
  }

  /** What is told to the editor cannot fail but with the connection, and then nobody is there to be told. */
  #send(sent: Promise<unknown>): void {
    sent.catch((error: unknown) => this.#log('The editor could not be told', error));
  }

  #log(message: string, error: unknown): void {
    this.#connection.console.error(`${message}: ${describeError(error)}`);
  }
}
