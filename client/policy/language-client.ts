/**
 * The language client: a bundle of its own (`dist/client/policy-language-client.cjs`), loaded when the first policy is open. It must import
 * nothing of the extension that has a state: this bundle would get its own copy.
 */
import * as vscode from 'vscode';
import {
  CloseAction,
  CodeLensRequest,
  ErrorAction,
  LanguageClient,
  RevealOutputChannelOn,
  State,
  TransportKind,
} from 'vscode-languageclient/node';
import type { ErrorHandler } from 'vscode-languageclient/node';

import { policyCommands } from '../../server/protocol/policy-language.ts';
import { policyLanguageId } from '../contributions.ts';
import type { LanguageClientSetup, PolicyLanguageClient } from './language-client-api.ts';

/** So many errors of the connection in a row are no accident. */
const maxErrors = 3;
/** How long the server may take to end, ms. */
const stopMs = 2000;

/** Makes the client of the policy language server; `start` starts it. */
export function createLanguageClient(setup: LanguageClientSetup): PolicyLanguageClient {
  const { output, serverModule } = setup;
  const run = { module: serverModule, transport: TransportKind.ipc };
  let stopping = false;
  const errorHandler: ErrorHandler = {
    error: (error, _, count = 0) => {
      output.error(error);
      return { action: count < maxErrors ? ErrorAction.Continue : ErrorAction.Shutdown, handled: true };
    },
    closed: () => {
      const again = !stopping && setup.onEnd();
      return { action: again ? CloseAction.Restart : CloseAction.DoNotRestart, handled: true };
    },
  };
  const client = new LanguageClient(
    'tidemark.policyLanguage',
    output.name,
    { run, debug: run },
    {
      documentSelector: [{ language: policyLanguageId }],
      outputChannel: output,
      traceOutputChannel: output,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      diagnosticCollectionName: 'tidemark',
      // Hovers link to VMs; nothing else in them may run anything.
      markdown: { isTrusted: { enabledCommands: [policyCommands.revealVm] } },
      initializationOptions: setup.options,
      initializationFailedHandler: () => false,
      errorHandler,
      middleware: {
        // The server is told of nothing else, and answers nothing about what it was not told of.
        didOpen: async (document, next) => (isPolicyFile(document) ? next(document) : undefined),
        didChange: async (event, next) => (isPolicyFile(event.document) ? next(event) : undefined),
        didClose: async (document, next) => (isPolicyFile(document) ? next(document) : undefined),
        provideCodeLenses: async (document, token, next) => (setup.lenses() ? next(document, token) : []),
      },
    },
  );
  client.onDidChangeState(({ newState }) => setup.onState(stateOf(newState)));
  for (const { method, answer } of setup.answers) client.onRequest(method, answer);
  return {
    start: async () => client.start(),
    notify: (method) => {
      if (client.state !== State.Running) return;
      client.sendNotification(method, {}).catch((error: unknown) => output.warn(`${method}: ${String(error)}`));
    },
    refreshLenses: () => {
      if (client.state !== State.Running) return;
      const feature = client.getFeature(CodeLensRequest.method);
      for (const document of vscode.workspace.textDocuments)
        if (document.languageId === policyLanguageId) feature.getProvider(document)?.onDidChangeCodeLensEmitter.fire();
    },
    stop: async () => {
      stopping = true;
      try {
        await client.dispose(stopMs);
      } catch (error) {
        // A server that has ended already, or never started, cannot be told to end.
        output.debug(`the language server was not told to end: ${String(error)}`);
      }
    },
  };
}

/** Old versions that Git and others show beside a file are in its language too, and nobody is to mend them. */
function isPolicyFile({ uri }: vscode.TextDocument): boolean {
  return (
    uri.scheme === 'untitled' ||
    vscode.workspace.fs.isWritableFileSystem(uri.scheme) === true ||
    vscode.workspace.getWorkspaceFolder(uri) !== undefined
  );
}

function stateOf(state: State): 'starting' | 'running' | 'stopped' {
  switch (state) {
    case State.Running:
      return 'running';
    case State.Starting:
      return 'starting';
    case State.StartFailed:
    case State.Stopped:
      break;
  }
  return 'stopped';
}
