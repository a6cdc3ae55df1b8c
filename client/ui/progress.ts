/** Shows that something takes a while, and lets the user give up. */
import * as vscode from 'vscode';

import { cancelledError } from '../../server/protocol/errors.ts';
import { withoutLinks } from '../base/plain-text.ts';

/** Where progress shows. */
export type ProgressPlace = 'window' | 'notification' | { readonly viewId: string };

export interface ProgressOptions {
  readonly title: string;
  readonly place: ProgressPlace;
  /** Shows a Cancel button (notifications only); it aborts the signal. */
  readonly cancellable?: boolean | undefined;
}

/** Runs `work` with progress. When the user cancels, its signal aborts; what it then throws goes on to the caller. */
export async function withProgress<T>(
  { title, place, cancellable = false }: ProgressOptions,
  work: (signal: AbortSignal, report: (message: string, percent?: number) => void) => Promise<T>,
): Promise<T> {
  const options = { location: location(place), title: withoutLinks(title), cancellable };
  return vscode.window.withProgress(options, async (progress, token) => {
    const controller = new AbortController();
    const listener = token.onCancellationRequested(() => controller.abort(cancelledError()));
    let shown = 0;
    try {
      return await work(controller.signal, (message, percent) => {
        // VS Code wants steps; ours are positions.
        const increment = percent === undefined ? 0 : Math.max(0, percent - shown);
        shown += increment;
        progress.report({ message: withoutLinks(message), increment });
      });
    } finally {
      listener.dispose();
    }
  });
}

function location(place: ProgressPlace): vscode.ProgressOptions['location'] {
  if (place === 'window') return vscode.ProgressLocation.Window;
  if (place === 'notification') return vscode.ProgressLocation.Notification;
  return { viewId: place.viewId };
}

/** An abort signal for a cancellation token. */
export function signalOf(token: vscode.CancellationToken): AbortSignal {
  const controller = new AbortController();
  if (token.isCancellationRequested) controller.abort(cancelledError());
  token.onCancellationRequested(() => controller.abort(cancelledError()));
  return controller.signal;
}
