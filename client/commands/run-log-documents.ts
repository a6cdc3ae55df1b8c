/** Documents with the logs of runs. Each is read as it grows, as long as it is open. */
import * as vscode from 'vscode';

import * as daemon from '../../server/protocol/daemon.ts';
import type { LogLine } from '../../server/protocol/daemon.ts';
import { TidemarkError } from '../../server/protocol/errors.ts';
import type { RunId } from '../../server/protocol/ids.ts';
import type { App } from '../app.ts';
import { LogText } from './flows/log-text.ts';

const scheme = 'tidemark-run-log';
/** How long the daemon may wait for the next line, ms. */
const waitMs = 20_000;
/** After a lost connection, ms. */
const retryMs = 2000;
/** A document changes at most so often, ms. */
const changeMs = 500;

interface OpenLog {
  readonly text: LogText;
  readonly closed: AbortController;
}

export class RunLogDocuments implements vscode.TextDocumentContentProvider {
  readonly #app: App;
  readonly #changes = new vscode.EventEmitter<vscode.Uri>();
  readonly #open = new Map<string, OpenLog>();
  readonly #owned: vscode.Disposable;

  constructor(app: App) {
    this.#app = app;
    this.#owned = vscode.Disposable.from(
      this.#changes,
      vscode.workspace.registerTextDocumentContentProvider(scheme, this),
      vscode.workspace.onDidCloseTextDocument(({ uri }) => this.#close(uri)),
    );
  }

  get onDidChange(): vscode.Event<vscode.Uri> {
    return this.#changes.event;
  }

  /** Opens the log. Throws `TM5101` for a run that the daemon does not know. */
  async show(runId: RunId): Promise<void> {
    const uri = vscode.Uri.from({ scheme, path: `/${runId}.log` });
    if (!this.#open.has(uri.toString())) {
      const log: OpenLog = { text: new LogText(), closed: new AbortController() };
      await this.#readOnce(runId, log, 0);
      // Another call may have opened it meanwhile.
      if (!this.#open.has(uri.toString())) {
        this.#open.set(uri.toString(), log);
        // A tab that was restored with the window says that there is no log.
        this.#changes.fire(uri);
        void this.#follow(uri, runId, log);
      }
    }
    // Its ending makes it a log; setting the language here would close the document first, and end the following.
    const document = await vscode.workspace.openTextDocument(uri);
    await vscode.window.showTextDocument(document, { preview: true });
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    // A window that was restored has the tab and not the log.
    return (
      this.#open.get(uri.toString())?.text.toString() ?? vscode.l10n.t('Show the log of the run again to read it.')
    );
  }

  dispose(): void {
    for (const { closed } of this.#open.values()) closed.abort();
    this.#owned.dispose();
  }

  #close(uri: vscode.Uri): void {
    this.#open.get(uri.toString())?.closed.abort();
    this.#open.delete(uri.toString());
  }

  /** One page; true when no line follows it. */
  async #readOnce(id: RunId, { text, closed }: OpenLog, wait: number): Promise<boolean> {
    const params = { id, fromLine: text.nextLine, ...(wait === 0 ? {} : { waitMs: wait }) };
    const options = { signal: closed.signal, timeoutMs: wait + 30_000 };
    const answer = await this.#app.daemon.request(daemon.getRunLog, params, options);
    const lines: readonly LogLine[] = answer.lines;
    text.append(lines, answer.nextLine);
    return answer.complete === true;
  }

  async #follow(uri: vscode.Uri, id: RunId, log: OpenLog): Promise<void> {
    const { signal } = log.closed;
    let told = false;
    for (let complete = false; !complete && !signal.aborted;) {
      let pauseMs = changeMs;
      try {
        const before = log.text.nextLine;
        complete = await this.#readOnce(id, log, waitMs);
        if (log.text.nextLine > before) this.#changes.fire(uri);
        told = false;
      } catch (error) {
        if (signal.aborted) return;
        if (!told) this.#app.logs.warn(`the log of run ${id} cannot be followed now`, TidemarkError.from(error));
        told = true;
        pauseMs = retryMs;
      }
      await pause(pauseMs, signal);
    }
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
