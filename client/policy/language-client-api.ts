/** What the extension and the bundle with the language client know of each other. Only types: loading this loads nothing. */
import type * as vscode from 'vscode';

import type { LanguageOptions } from '../../server/protocol/policy-language.ts';

/** How the server is. `stopped` after it was stopped, or ended too often. */
export type ServerState = 'starting' | 'running' | 'stopped';

export interface LanguageClientSetup {
  /** The bundle of the server. */
  readonly serverModule: string;
  readonly output: vscode.LogOutputChannel;
  readonly options: LanguageOptions;
  /** What the server asks for, by method. */
  readonly answers: readonly { readonly method: string; readonly answer: () => Promise<unknown> }[];
  /** Whether code lenses are wanted. */
  readonly lenses: () => boolean;
  readonly onState: (state: ServerState) => void;
  /** The server ended: whether it is started again. */
  readonly onEnd: () => boolean;
}

/** A running client. */
export interface PolicyLanguageClient {
  /** Resolves when the server is ready; throws when it cannot be started. */
  start(): Promise<void>;
  /** Tells the server something; nothing while it does not run. */
  notify(method: string): void;
  /** Asks again whether lenses are wanted. */
  refreshLenses(): void;
  /** Ends the server. Does not throw. */
  stop(): Promise<void>;
}

/** What the bundle exports. */
export interface LanguageClientBundle {
  createLanguageClient(setup: LanguageClientSetup): PolicyLanguageClient;
}
