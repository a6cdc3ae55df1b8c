/** Wizards: quick picks and input boxes in steps, with a way back, and validation while the user types. */
import * as vscode from 'vscode';

import { inOneLine, withoutLinks } from '../base/plain-text.ts';

/** The user went a step back. */
export class BackError extends Error {
  override readonly name = 'BackError';
}

/** One choice. */
export interface Choice<T> extends vscode.QuickPickItem {
  readonly value: T;
}

/** What each step of a wizard shows. */
export interface StepOptions {
  readonly title: string;
  readonly placeholder?: string | undefined;
  /** Position and number of steps, shown as `2/4`. */
  readonly step?: number | undefined;
  readonly totalSteps?: number | undefined;
  /** Shows the Back button, which throws `BackError`. */
  readonly back?: boolean | undefined;
}

export interface PickOptions<T> extends StepOptions {
  /** The choices, or where they come from: the list shows busy until they are there. What it throws, the pick throws. */
  readonly choices: readonly Choice<T>[] | ((signal: AbortSignal) => Promise<readonly Choice<T>[]>);
  /** Tells which choice has the focus at first. */
  readonly selected?: ((value: T) => boolean) | undefined;
}

export interface InputOptions extends StepOptions {
  readonly prompt?: string | undefined;
  readonly value?: string | undefined;
  readonly password?: boolean | undefined;
  /** Why the text will not do, or undefined; called as the user types. */
  readonly validate?: ((value: string) => string | undefined) | undefined;
  /** A check that takes time, when the user confirms: the box stays open, busy, and shows what it gives. */
  readonly check?: ((value: string, signal: AbortSignal) => Promise<string | undefined>) | undefined;
}

/** Asks for one of several. Throws `vscode.CancellationError` on Escape, `BackError` on Back. */
export async function pickOne<T>(options: PickOptions<T>): Promise<T> {
  // What is chosen may be `undefined` itself.
  for (const choice of await pick(options, false)) return choice;
  throw new vscode.CancellationError();
}

/** Asks for some of several, at least one. Throws as `pickOne`. */
export async function pickMany<T>(options: PickOptions<T>): Promise<readonly T[]> {
  return pick(options, true);
}

async function pick<T>(options: PickOptions<T>, many: boolean): Promise<readonly T[]> {
  const box = vscode.window.createQuickPick<Choice<T>>();
  box.canSelectMany = many;
  box.matchOnDescription = true;
  box.matchOnDetail = true;
  box.placeholder = options.placeholder;
  const { choices } = options;
  return show(box, options, async (finish, signal) => {
    box.onDidAccept(() => {
      const chosen = box.selectedItems.map(({ value }) => value);
      if (chosen.length > 0) finish(chosen);
    });
    box.busy = true;
    const items = typeof choices === 'function' ? await choices(signal) : choices;
    if (signal.aborted) return;
    const shown = items.map((item) => ({ ...item, label: inOneLine(item.label) }));
    box.items = shown;
    const focused = options.selected === undefined ? undefined : shown.find(({ value }) => options.selected?.(value));
    if (focused !== undefined) {
      box.activeItems = [focused];
      if (many) box.selectedItems = [focused];
    }
    box.busy = false;
  });
}

/** Asks for a text. Throws `vscode.CancellationError` on Escape, `BackError` on Back. */
export async function askText(options: InputOptions): Promise<string> {
  const box = vscode.window.createInputBox();
  box.placeholder = options.placeholder;
  box.prompt = options.prompt === undefined ? undefined : withoutLinks(options.prompt);
  box.value = options.value ?? '';
  box.password = options.password ?? false;
  return show(box, options, async (finish, signal) => {
    // What was proposed is checked too, but an empty box does not begin with a complaint.
    const validate = (): string | undefined => options.validate?.(box.value);
    if (box.value !== '') box.validationMessage = validate();
    box.onDidChangeValue(() => (box.validationMessage = validate()));
    let checking = false;
    const accept = async (): Promise<void> => {
      const { value } = box;
      box.validationMessage = validate();
      if (box.validationMessage !== undefined || checking) return;
      checking = true;
      box.busy = true;
      box.enabled = false;
      try {
        const problem = await options.check?.(value, signal);
        if (problem === undefined) finish(value);
        else box.validationMessage = withoutLinks(problem);
      } finally {
        checking = false;
        box.busy = false;
        box.enabled = true;
      }
    };
    const accepted = Promise.withResolvers<never>();
    box.onDidAccept(() => void accept().catch(accepted.reject));
    signal.addEventListener('abort', () => accepted.reject(new vscode.CancellationError()), { once: true });
    await accepted.promise;
  });
}

/** Shows a box until `finish` is called, the user leaves it, or `run` throws. */
async function show<R>(
  box: vscode.QuickInput,
  options: StepOptions & { readonly back?: boolean | undefined },
  run: (finish: (result: R) => void, signal: AbortSignal) => Promise<void>,
): Promise<R> {
  const result = Promise.withResolvers<R>();
  const leave = new AbortController();
  box.title = options.title;
  box.step = options.step;
  box.totalSteps = options.totalSteps;
  // The password manager, a browser or the file explorer may be needed meanwhile.
  box.ignoreFocusOut = true;
  withBack(box, options.back === true, () => result.reject(new BackError()));
  box.onDidHide(() => result.reject(new vscode.CancellationError()));
  box.show();
  run(result.resolve, leave.signal).catch(result.reject);
  try {
    return await result.promise;
  } finally {
    leave.abort();
    box.dispose();
  }
}

function withBack(box: vscode.QuickInput, back: boolean, onBack: () => void): void {
  if (!back || !hasButtons(box)) return;
  box.buttons = [vscode.QuickInputButtons.Back];
  box.onDidTriggerButton((button) => {
    if (button === vscode.QuickInputButtons.Back) onBack();
  });
}

type WithButtons = Pick<vscode.InputBox, 'buttons' | 'onDidTriggerButton'>;
const hasButtons = (box: vscode.QuickInput): box is vscode.QuickInput & WithButtons => 'onDidTriggerButton' in box;

/** One step of a wizard: asks, and puts the answer into `state`. Returns false when there is nothing to ask, and is then skipped on the way back too. */
export type Step = (back: boolean, step: number) => Promise<unknown>;

/** Runs the steps in order; Back goes to the one before that asked. Throws `vscode.CancellationError` when the user leaves. */
export async function runSteps(steps: readonly Step[]): Promise<void> {
  const asked: number[] = [];
  for (let index = 0; index < steps.length;) {
    try {
      const answer = await steps[index]?.(asked.length > 0, asked.length + 1);
      if (answer !== false) asked.push(index);
      index++;
    } catch (error) {
      if (!(error instanceof BackError)) throw error;
      index = asked.pop() ?? 0;
    }
  }
}
