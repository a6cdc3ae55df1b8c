/** One page for each run that the user opened: follows the run, its samples and its log until it is closed. */
import * as vscode from 'vscode';

import { getRunLog, getRunSamples } from '../../server/protocol/daemon.ts';
import type { RunInfo } from '../../server/protocol/daemon.ts';
import { cancelledError } from '../../server/protocol/errors.ts';
import type { RunId } from '../../server/protocol/ids.ts';
import type { App } from '../app.ts';
import { Subscriptions } from '../base/events.ts';
import { isCancellation } from '../commands/error-reporter.ts';
import { runCommand } from '../commands/registry.ts';
import { runPageType } from '../contributions.ts';
import { hasEnded } from '../stores/run-order.ts';
import { runPageHtml, resourceFolders } from './html.ts';
import { fromPage } from './messages.ts';
import type { FromPage, LogRow, ToPage } from './messages.ts';
import { runChart, runPageState } from './page-model.ts';

/** The daemon holds the answer back so long when there is no new line, ms. */
const logWaitMs = 20_000;
const logRetryMs = 2000;
/** How often the chart is read anew while the run moves, ms. */
const chartEveryMs = 2000;
/** Lines that are kept for a page that is shown again; the document has all of them. */
const keptRows = 2000;

/** A page. Disposed with its panel. */
export class RunPage {
  readonly #app: App;
  readonly #id: RunId;
  readonly #panel: vscode.WebviewPanel;
  readonly #owned = new Subscriptions();
  readonly #closed = new AbortController();
  #rows: LogRow[] = [];
  #run: RunInfo;
  #chartReadAt = 0;

  constructor(app: App, run: RunInfo, onClosed: () => void) {
    this.#app = app;
    this.#id = run.id;
    this.#run = run;
    const { extensionUri } = app.extension;
    this.#panel = vscode.window.createWebviewPanel(runPageType, run.title, vscode.ViewColumn.Active, {
      enableScripts: true,
      localResourceRoots: resourceFolders.map((folder) => vscode.Uri.joinPath(extensionUri, folder)),
    });
    this.#panel.iconPath = new vscode.ThemeIcon('pulse');
    this.#panel.onDidDispose(() => {
      this.#closed.abort(cancelledError());
      this.#owned.dispose();
      onClosed();
    });
    this.#owned.add(this.#panel.webview.onDidReceiveMessage((message: unknown) => this.#receive(message)));
    this.#owned.add(app.stores.runs.onDidChange(({ changed }) => this.#changed(changed)));
    this.#panel.webview.html = runPageHtml(this.#panel.webview, extensionUri);
    this.#followLog().catch((error: unknown) => app.logs.warn('the log of a run is not followed', error));
  }

  reveal(): void {
    this.#panel.reveal();
  }

  dispose(): void {
    this.#panel.dispose();
  }

  #changed(changed: readonly RunInfo[]): void {
    const run = changed.find(({ id }) => id === this.#id);
    if (run === undefined) return;
    this.#run = run;
    this.#sendState();
    if (hasEnded(run) || Date.now() - this.#chartReadAt >= chartEveryMs) this.#sendChart();
  }

  #receive(message: unknown): void {
    let parsed: FromPage;
    try {
      parsed = fromPage(message, 'message');
    } catch (error) {
      this.#app.logs.warn('a message of the run page was not understood', error);
      return;
    }
    const target = { runId: this.#id };
    switch (parsed.type) {
      case 'ready':
        this.#sendState();
        this.#sendChart();
        this.#send({ type: 'log', rows: this.#rows, restart: true });
        return;
      case 'cancel':
        runCommand('tidemark.run.cancel', target).catch((error: unknown) => this.#failed(error));
        return;
      case 'retry':
        runCommand('tidemark.run.retry', target).catch((error: unknown) => this.#failed(error));
        return;
      case 'show-log':
        runCommand('tidemark.run.showLog', target).catch((error: unknown) => this.#failed(error));
        return;
    }
  }

  #failed(error: unknown): void {
    this.#app.errors.report('run page', error);
  }

  #sendState(): void {
    this.#send({ type: 'state', state: runPageState(this.#run, Date.now()) });
  }

  #sendChart(): void {
    this.#chartReadAt = Date.now();
    this.#app.daemon
      .request(getRunSamples, { id: this.#id }, { signal: this.#closed.signal })
      .then(({ samples }) => this.#send({ type: 'chart', chart: runChart(samples) }))
      .catch((error: unknown) => {
        if (!isCancellation(error)) this.#app.logs.debug(`the chart of run ${this.#id} was not read: ${String(error)}`);
      });
  }

  async #followLog(): Promise<void> {
    const { signal } = this.#closed;
    for (let fromLine = 0; !signal.aborted;) {
      try {
        const params = { id: this.#id, fromLine, waitMs: logWaitMs };
        const answer = await this.#app.daemon.request(getRunLog, params, { signal, timeoutMs: logWaitMs * 2 });
        if (answer.lines.length > 0) this.#addRows(answer.lines);
        fromLine = answer.nextLine;
        if (answer.complete === true) return;
        // A daemon that does not wait must not be asked without a pause.
        if (answer.lines.length === 0) await pause(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#app.logs.debug(`the log of run ${this.#id} was not read: ${String(error)}`);
        await pause(signal);
      }
    }
  }

  #addRows(rows: readonly LogRow[]): void {
    this.#rows = [...this.#rows, ...rows].slice(-keptRows);
    this.#send({ type: 'log', rows, restart: false });
  }

  #send(message: ToPage): void {
    // A page that is hidden is not there: it gets everything when it is loaded again.
    if (!this.#closed.signal.aborted && this.#panel.visible) void this.#panel.webview.postMessage(message);
  }
}

async function pause(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, logRetryMs);
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
}
