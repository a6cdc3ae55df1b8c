/** The only place that shows messages. Nothing in the background may call it but for the end of a run that this window started. */
import * as vscode from 'vscode';

import { withoutLinks } from '../base/plain-text.ts';
import { storageKeys } from '../contributions.ts';

/** A button of a message. */
export interface Action {
  readonly title: string;
  run(): unknown;
}

export interface MessageOptions {
  readonly actions?: readonly Action[] | undefined;
  /** With a key the message has a "Don't Show Again" button, and is not shown after that. */
  readonly suppressKey?: string | undefined;
}

/** What a modal question asks. */
export interface Question {
  /** Names the thing. */
  readonly message: string;
  /** What follows, and what cannot be undone. */
  readonly detail?: string | undefined;
  /** The verb of the button that does it: `Delete`. Cancel is VS Code's own, and the default on Escape. */
  readonly confirm: string;
}

/** What a modal question with several answers asks. */
export interface Choice<T> {
  readonly message: string;
  readonly detail: string;
  /** The buttons, the first one the default; Cancel is VS Code's own. */
  readonly answers: readonly { readonly title: string; readonly value: T }[];
}

/** Shows messages; resolves when the message is gone and the chosen action has run. */
export class Notify {
  readonly #memory: vscode.Memento;
  readonly #onActionError: (error: unknown) => void;

  constructor(memory: vscode.Memento, onActionError: (error: unknown) => void) {
    this.#memory = memory;
    this.#onActionError = onActionError;
  }

  async info(message: string, options: MessageOptions = {}): Promise<void> {
    await this.#show(vscode.window.showInformationMessage, message, options);
  }

  async warn(message: string, options: MessageOptions = {}): Promise<void> {
    await this.#show(vscode.window.showWarningMessage, message, options);
  }

  async error(message: string, options: MessageOptions = {}): Promise<void> {
    await this.#show(vscode.window.showErrorMessage, message, options);
  }

  /** Asks in a modal dialog. Throws `vscode.CancellationError` when the user does not confirm. */
  async confirm({ message, detail, confirm }: Question): Promise<void> {
    const options: vscode.MessageOptions = { modal: true, ...(detail === undefined ? {} : { detail }) };
    const chosen = await vscode.window.showWarningMessage(message, options, confirm);
    if (chosen !== confirm) throw new vscode.CancellationError();
  }

  /** Asks in a modal dialog which of several things to do. Throws `vscode.CancellationError` when the user chooses none. */
  async choose<T>({ message, detail, answers }: Choice<T>): Promise<T> {
    const titles = answers.map(({ title }) => title);
    const chosen = await vscode.window.showInformationMessage(message, { modal: true, detail }, ...titles);
    const answer = answers.find(({ title }) => title === chosen);
    if (answer === undefined) throw new vscode.CancellationError();
    return answer.value;
  }

  async #show(
    show: (message: string, ...items: string[]) => Thenable<string | undefined>,
    message: string,
    { actions = [], suppressKey }: MessageOptions,
  ): Promise<void> {
    if (suppressKey !== undefined && this.#suppressed().includes(suppressKey)) return;
    const never = vscode.l10n.t("Don't Show Again");
    const titles = actions.map(({ title }) => title);
    const chosen = await show(withoutLinks(message), ...titles, ...(suppressKey === undefined ? [] : [never]));
    if (chosen === undefined) return;
    if (suppressKey !== undefined && chosen === never) {
      await this.#memory.update(storageKeys.suppressedMessages, [...this.#suppressed(), suppressKey]);
      return;
    }
    try {
      await actions.find(({ title }) => title === chosen)?.run();
    } catch (error) {
      this.#onActionError(error);
    }
  }

  #suppressed(): readonly string[] {
    return this.#memory.get<readonly string[]>(storageKeys.suppressedMessages, []);
  }
}
