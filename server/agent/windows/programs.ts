/** Runs the programs of Windows that the installer needs: by their full paths, without a shell, with what they said when they fail. */
import { execFile } from 'node:child_process';
import { win32 } from 'node:path';

import { errorCodes, TidemarkError } from '../../protocol/errors.ts';

/** How a program ended. */
export interface ProgramResult {
  /** Its exit code; -1 when it did not end by itself. */
  readonly code: number;
  /** What it printed on both streams. */
  readonly output: string;
}

/** What a program may need besides its arguments. */
export interface ProgramInput {
  /** Variables added to the environment: texts that must not be read as part of a command. */
  readonly env?: Readonly<Record<string, string>>;
  /** Its standard input, which then ends. */
  readonly input?: string;
}

/** Runs a program by its full path to its end. Rejects with `TM1900` when it cannot be started. */
export type RunProgram = (file: string, args: readonly string[], input?: ProgramInput) => Promise<ProgramResult>;

/** The longest that one program may take, ms: `icacls` on a large folder. */
const timeoutMs = 120_000;
const maxOutputBytes = 4 * 1024 * 1024;

/** Runs on this computer. */
export const runProgram: RunProgram = async (file, args, { env, input } = {}) => {
  const options = { windowsHide: true, timeout: timeoutMs, maxBuffer: maxOutputBytes, encoding: 'buffer' } as const;
  return await new Promise((resolve, reject) => {
    const child = execFile(
      file,
      [...args],
      { ...options, env: { ...process.env, ...env } },
      (error, stdout, stderr) => {
        if (error !== null && typeof error.code === 'string') {
          reject(
            new TidemarkError(errorCodes.internal, `${file} could not be started: ${error.code}.`, { cause: error }),
          );
          return;
        }
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        resolve({ code, output: textOf(stdout, stderr) });
      },
    );
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input ?? '');
  });
};

/** nssm prints UTF-16, the others one byte a character. */
function textOf(...parts: readonly Buffer[]): string {
  return parts
    .map((part) => (part.includes(0) ? part.toString('utf16le') : part.toString('utf8')))
    .join('\n')
    .replace(/^\uFEFF/, '')
    .trim();
}

/** The path of a program of Windows itself, so that no other one of that name in some PATH is run. */
export function systemProgram(name: string): string {
  return win32.join(process.env['SystemRoot'] ?? String.raw`C:\Windows`, 'System32', name);
}

/** Runs a program that must succeed. Throws `TM1900` with `what` failed, and what the program said. */
export async function mustRun(
  run: RunProgram,
  what: string,
  file: string,
  args: readonly string[],
  input?: ProgramInput,
): Promise<string> {
  const { code, output } = await run(file, args, input);
  if (code === 0) return output;
  const said = output.replaceAll(/\s+/g, ' ').slice(0, 500);
  throw new TidemarkError(errorCodes.internal, `${what} failed (${win32.basename(file)}, code ${code}): ${said}`, {
    hint: 'Run the installation as an administrator.',
  });
}
