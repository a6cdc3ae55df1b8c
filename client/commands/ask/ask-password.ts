/** Asks for a password, or from where the daemon takes it. What is typed goes into the one request that needs it and nowhere else. */
import * as vscode from 'vscode';

import type { Parsed } from '../../../server/protocol/parse.ts';
import { object } from '../../../server/protocol/parse.ts';
import { passwordFields } from '../../../server/protocol/daemon/passwords.ts';
import type { App } from '../../app.ts';
import { askText, pickOne } from '../../ui/pick.ts';
import type { Step, StepOptions } from '../../ui/pick.ts';
import { commandProblem, commandWords, newPasswordProblem, passwordProblem, strengthText } from '../flows/password.ts';
import { pathProblem } from '../flows/paths.ts';
import { daemonMachine } from './daemon-machine.ts';

const passwordParser = object(passwordFields);
/** The fields of a request that give a password. */
export type PasswordFields = Parsed<typeof passwordParser>;

type Source = 'password' | 'passwordFile' | 'passwordCommand';

interface PasswordQuestion {
  readonly title: () => string;
  readonly prompt: string;
  /** A new one is typed twice, and must not be too weak. */
  readonly isNew: boolean;
  /** Number of the steps before and of all, where the wizard counts them. */
  readonly stepsBefore?: number | undefined;
  readonly totalSteps?: number | undefined;
  /** Whether to ask at all; yes when absent. */
  readonly when?: (() => boolean) | undefined;
  /** Does what needs the password; gives what is wrong with it, or undefined when all is done. */
  readonly use: (fields: PasswordFields, signal: AbortSignal) => Promise<string | undefined>;
}

/** The steps that ask; the last of them ends when `use` has worked. */
export function passwordSteps(app: App, question: PasswordQuestion): readonly Step[] {
  const { title, prompt, isNew, stepsBefore, totalSteps, when = () => true, use } = question;
  let source: Source = 'password';
  let typed = '';
  const at = (back: boolean, number: number): StepOptions => ({
    title: title(),
    back,
    totalSteps,
    step: stepsBefore === undefined ? undefined : stepsBefore + number,
  });
  const askSource: Step = async (back) => {
    if (!when()) return false;
    source = await pickOne<Source>({
      ...at(back, 1),
      placeholder: vscode.l10n.t('Where does the daemon take the password from?'),
      choices: sourceChoices(),
      selected: (value) => value === source,
    });
    return true;
  };
  const askValue: Step = async (back) => {
    if (!when()) return false;
    if (source === 'passwordFile') return askFile(app, at(back, 2), use);
    if (source === 'passwordCommand') return askCommand(app, at(back, 2), use);
    typed = await askText({
      ...at(back, 2),
      prompt,
      password: true,
      validate: isNew ? newPasswordProblem : passwordProblem,
      check: isNew ? undefined : async (password, signal) => use({ password }, signal),
    });
    return true;
  };
  const askAgain: Step = async (back) => {
    if (!when() || !isNew || source !== 'password') return false;
    return askText({
      ...at(back, 3),
      prompt: vscode.l10n.t('The same password again. {0}', strengthText(typed)),
      password: true,
      validate: (value) => (typed.startsWith(value) ? undefined : vscode.l10n.t('This differs from the first one.')),
      check: async (password, signal) =>
        password === typed ? use({ password }, signal) : vscode.l10n.t('This is shorter than the first one.'),
    });
  };
  return [askSource, askValue, askAgain];
}

async function askFile(app: App, at: StepOptions, use: PasswordQuestion['use']): Promise<string> {
  const { style, name } = await daemonMachine(app);
  return askText({
    ...at,
    prompt: vscode.l10n.t('Absolute path of a file on {0} whose first line is the password.', name),
    validate: (value) => pathProblem(value, style),
    check: async (passwordFile, signal) => use({ passwordFile }, signal),
  });
}

async function askCommand(app: App, at: StepOptions, use: PasswordQuestion['use']): Promise<string> {
  const { style, name } = await daemonMachine(app);
  return askText({
    ...at,
    prompt: vscode.l10n.t(
      'A program on {0} (absolute path) and its arguments, such as those of a password manager. Its first line of output is the password.',
      name,
    ),
    validate: (value) => commandProblem(value, style),
    check: async (value, signal) => use({ passwordCommand: commandWords(value) ?? [] }, signal),
  });
}

function sourceChoices(): readonly (vscode.QuickPickItem & { readonly value: Source })[] {
  return [
    {
      label: vscode.l10n.t('Type it now'),
      detail: vscode.l10n.t('The daemon keeps it in a file that only its user can read.'),
      iconPath: new vscode.ThemeIcon('key'),
      value: 'password',
    },
    {
      label: vscode.l10n.t('From a file'),
      detail: vscode.l10n.t("On the daemon's machine, read when it is needed."),
      iconPath: new vscode.ThemeIcon('file'),
      value: 'passwordFile',
    },
    {
      label: vscode.l10n.t('From a program'),
      detail: vscode.l10n.t('Such as a password manager; run when it is needed.'),
      iconPath: new vscode.ThemeIcon('terminal'),
      value: 'passwordCommand',
    },
  ];
}
