/** Runs commands of this same program as child processes: the daemon has nothing of agents or simulated hosts in it. */
import { execFile } from 'node:child_process';

import { cancelledError, errorCodes, errorFromReport, TidemarkError } from '../../protocol/errors.ts';
import { errorReport } from '../../protocol/model.ts';
import { json, object } from '../../protocol/parse.ts';
import type { Parser } from '../../protocol/parse.ts';

/** Executable and first arguments, before the command. */
export type OwnProgram = readonly string[];

const maxOutputBytes = 1024 * 1024;
const timeoutMs = 300_000;

/** What `tidemark … --json` prints on standard error when it fails. */
const failure = object({ error: errorReport });

/** Runs a command with `--json` and parses what it prints. Throws the command's own error, or `TM5206`. */
export async function runOwnCommand<T>(
  program: OwnProgram,
  args: readonly string[],
  result: Parser<T>,
  signal: AbortSignal,
): Promise<T> {
  const [executable = '', ...first] = program;
  const command = args.slice(0, 2).join(' ');
  const { error, output, said } = await new Promise<{ error: Error | null; output: string; said: string }>(
    (resolve) => {
      const options = {
        signal,
        timeout: timeoutMs,
        maxBuffer: maxOutputBytes,
        windowsHide: true,
        encoding: 'utf8',
      } as const;
      execFile(executable, [...first, '--json', ...args], options, (problem, stdout, stderr) =>
        resolve({ error: problem, output: stdout, said: stderr }),
      );
    },
  );
  if (error === null) return json(output, result, `The output of ${command}`);
  if (signal.aborted) throw TidemarkError.is(signal.reason) ? signal.reason : cancelledError();
  throw reported(said) ?? simulatorFailed(`${command} failed: ${lastWords(said)}`, error);
}

/** What a command that could not even report its error said; it was given no secret. */
function lastWords(said: string): string {
  return said.trim().slice(-500) || 'without a word';
}

/** The error that the command printed, when it did. */
function reported(said: string): TidemarkError | undefined {
  const line = said.trim().split('\n').at(-1) ?? '';
  try {
    return errorFromReport(json(line, failure, 'error').error);
  } catch {
    // It did not come so far as to print one; the caller has what is known.
    return undefined;
  }
}

/** `TM5206`. */
export function simulatorFailed(what: string, cause?: unknown): TidemarkError {
  return new TidemarkError(errorCodes.simulatorFailed, `The simulator does not work: ${what}.`, {
    hint: 'The log of the daemon has the details. `tidemark simulator stop` removes it; then start it anew.',
    cause,
  });
}
