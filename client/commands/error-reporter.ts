/** Tells the user why something that they asked for did not work: once, short, with what to do about it. */
import * as vscode from 'vscode';

import { errorCodes, TidemarkError } from '../../server/protocol/errors.ts';
import type { ErrorCode } from '../../server/protocol/errors.ts';
import type { CommandId } from '../contributions.ts';
import type { Logs } from '../ui/log.ts';
import type { Action, Notify } from '../ui/notify.ts';

/** Where a command helps against an error, its button. The log is offered always. */
function fix(code: ErrorCode): { readonly title: string; readonly command: CommandId } | undefined {
  const fixes: Partial<Record<ErrorCode, { readonly title: string; readonly command: CommandId }>> = {
    [errorCodes.daemonNotRunning]: { title: vscode.l10n.t('Start Daemon'), command: 'tidemark.daemon.start' },
    [errorCodes.daemonStartFailed]: { title: vscode.l10n.t('Show Daemon Log'), command: 'tidemark.daemon.showLog' },
    [errorCodes.daemonAuthenticationFailed]: {
      title: vscode.l10n.t('Enter Password Again'),
      command: 'tidemark.daemon.forgetPassword',
    },
    // Forgets the certificate too, and asks about the one that is there now.
    [errorCodes.daemonCertificateMismatch]: {
      title: vscode.l10n.t('Connect Anew'),
      command: 'tidemark.daemon.forgetPassword',
    },
    [errorCodes.daemonVersionMismatch]: {
      title: vscode.l10n.t('Show Daemon Status'),
      command: 'tidemark.daemon.status',
    },
    [errorCodes.agentAuthenticationFailed]: { title: vscode.l10n.t('Edit Host'), command: 'tidemark.host.edit' },
    [errorCodes.agentLockedOut]: { title: vscode.l10n.t('Edit Host'), command: 'tidemark.host.edit' },
    [errorCodes.agentCertificateMismatch]: { title: vscode.l10n.t('Edit Host'), command: 'tidemark.host.edit' },
    [errorCodes.hostNotFound]: { title: vscode.l10n.t('Add Host'), command: 'tidemark.host.add' },
    [errorCodes.repositoryUnknown]: {
      title: vscode.l10n.t('Create Repository'),
      command: 'tidemark.repository.create',
    },
  };
  return fixes[code];
}

/** Whether the user gave up: nothing to tell. */
export function isCancellation(error: unknown): boolean {
  // A wait that is given up throws Node's AbortError.
  return error instanceof vscode.CancellationError || TidemarkError.from(error).code === errorCodes.cancelled;
}

export class ErrorReporter {
  readonly #logs: Logs;
  readonly #notify: Notify;

  constructor(logs: Logs, notify: Notify) {
    this.#logs = logs;
    this.#notify = notify;
  }

  /** Shows and logs why `what` (a command id, for the log) failed; a cancellation is silent. Does not wait for the user. */
  report(what: string, error: unknown, actions: readonly Action[] = []): void {
    if (isCancellation(error)) {
      this.#logs.debug(`${what}: cancelled`);
      return;
    }
    const known = TidemarkError.is(error) && error.code !== errorCodes.internal;
    if (known) this.#logs.warn(`${what}: ${error.code}`, error);
    else this.#logs.error(`${what}: unexpected`, error);
    const message = known
      ? shortText(error)
      : vscode.l10n.t('Tidemark: something unexpected went wrong. The log has the details.');
    const buttons = [...actions, ...this.#buttons(error)];
    void this.#notify.error(message, { actions: buttons });
  }

  #buttons(error: unknown): readonly Action[] {
    const log: Action = { title: vscode.l10n.t('Show Log'), run: () => this.#logs.show() };
    if (!TidemarkError.is(error)) return [log, this.#reportIssue()];
    if (error.code === errorCodes.internal) return [log, this.#reportIssue()];
    const found = fix(error.code);
    if (found === undefined) return [log];
    return [{ title: found.title, run: async () => vscode.commands.executeCommand(found.command) }, log];
  }

  #reportIssue(): Action {
    const command: CommandId = 'tidemark.issue.report';
    return { title: vscode.l10n.t('Report Issue'), run: async () => vscode.commands.executeCommand(command) };
  }
}

/** Longest message that VS Code shows without cutting it off. */
const maxMessage = 300;

/** The first line and the hint; the rest is in the log. */
export function shortText(error: TidemarkError): string {
  const [first = error.message] = error.message.split('\n', 1);
  const text = error.hint === undefined ? first : `${first} ${error.hint}`;
  return text.length > maxMessage ? `${text.slice(0, maxMessage - 1)}…` : text;
}
