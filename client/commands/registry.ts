/** Registers commands and runs every one of them in the same wrapper: arguments parsed, failures told once, the log kept. */
import * as vscode from 'vscode';

import { TidemarkError } from '../../server/protocol/errors.ts';
import type { Parser } from '../../server/protocol/parse.ts';
import { commands } from '../contributions.ts';
import type { CommandId, TargetOf } from '../contributions.ts';
import type { DaemonLink } from '../daemon/link.ts';
import type { Logs } from '../ui/log.ts';
import type { ErrorReporter } from './error-reporter.ts';

/**
 * What a command does. `target` is what the context gives (absent from the palette: then it asks), `selection` all chosen
 * things of its kind, `target` among them. Throws `vscode.CancellationError` when the user gives up.
 */
export type CommandHandler<Id extends CommandId> = (
  target: TargetOf<Id> | undefined,
  selection: readonly NonNullable<TargetOf<Id>>[],
) => unknown;

/** Handlers of some commands. */
export type CommandHandlers = { readonly [Id in CommandId]?: CommandHandler<Id> };

/** Knows which commands there are. */
export class CommandRegistry {
  readonly #link: DaemonLink;
  readonly #logs: Logs;
  readonly #errors: ErrorReporter;
  readonly #registered = new Set<CommandId>();

  constructor(link: DaemonLink, logs: Logs, errors: ErrorReporter) {
    this.#link = link;
    this.#logs = logs;
    this.#errors = errors;
  }

  /** Registers handlers. Each command has exactly one. */
  register(handlers: CommandHandlers): vscode.Disposable {
    const registrations = commandIds.flatMap((id) => {
      const handler = handlers[id];
      if (handler === undefined) return [];
      this.#registered.add(id);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `#run` gives it what the parser of the same `id` gave
      const run = handler as (target: unknown, selection: readonly unknown[]) => unknown;
      return [vscode.commands.registerCommand(id, async (...args: unknown[]) => this.#run(id, run, args))];
    });
    return vscode.Disposable.from(...registrations);
  }

  /** Commands of the table that nobody registered: a defect. */
  missing(): readonly CommandId[] {
    return commandIds.filter((id) => !this.#registered.has(id));
  }

  async #run(
    id: CommandId,
    handler: (target: unknown, selection: readonly unknown[]) => unknown,
    args: readonly unknown[],
  ): Promise<unknown> {
    const { target: parser, daemon } = commands[id];
    const started = performance.now();
    try {
      const target = parsedOrAbsent<unknown>(parser, args[0]);
      const others = Array.isArray(args[1]) ? args[1].map((arg: unknown) => parsedOrAbsent<unknown>(parser, arg)) : [];
      const selection = others.filter((other) => other !== undefined);
      this.#logs.debug(`${id} begins`);
      if (daemon === 'needed') await this.#link.client();
      const result: unknown = await handler(
        target,
        selection.length > 0 || target === undefined ? selection : [target],
      );
      this.#logs.debug(`${id} done in ${(performance.now() - started).toFixed(0)} ms`);
      return result;
    } catch (error) {
      this.#errors.report(id, error);
      return undefined;
    }
  }
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of the table are its ids
const commandIds = Object.keys(commands) as CommandId[];

/** A menu of a view gives whatever node has the focus: one of another kind counts as none. */
function parsedOrAbsent<T>(parser: Parser<T>, value: unknown): T | undefined {
  if (value === undefined || value === null) return undefined;
  try {
    return parser(value, '');
  } catch (error) {
    if (TidemarkError.is(error)) return undefined;
    throw error;
  }
}

/** Runs a command of ours with its typed argument. */
export async function runCommand<Id extends CommandId>(id: Id, target?: TargetOf<Id>): Promise<void> {
  await vscode.commands.executeCommand(id, target);
}
