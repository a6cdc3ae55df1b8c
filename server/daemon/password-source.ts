/** Where the daemon takes a password from: it has it, reads it from a file, or asks a program for it, at each connection. */
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';

import { readPasswordFile } from '../base/files.ts';
import { cancelledError, errorCodes, throwIfAborted, TidemarkError } from '../protocol/errors.ts';

/** A program that has not answered by then will not, ms. */
const commandTimeoutMs = 30_000;
/** A password is a line; whatever says more is not a password program or file. */
const maxOutputBytes = 64 * 1024;
const maxPasswordLength = 1024;

/** A password itself, or where it lies on the daemon's machine. */
export type PasswordSource = string | { readonly file: string } | { readonly command: readonly string[] };

/** The fields of a request (`passwordFields` in protocol/daemon/passwords.ts). */
export interface PasswordFields {
  readonly password?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly passwordCommand?: readonly string[] | undefined;
}

/** The source that a request names; undefined when it names none. Throws `TM1001` for more than one. */
export function givenPassword(fields: PasswordFields): PasswordSource | undefined {
  const { password, passwordFile, passwordCommand } = fields;
  const given: readonly (PasswordSource | undefined)[] = [
    password,
    passwordFile === undefined ? undefined : { file: passwordFile },
    passwordCommand === undefined ? undefined : { command: passwordCommand },
  ];
  const sources = given.filter((source) => source !== undefined);
  if (sources.length <= 1) return sources[0];
  throw new TidemarkError(errorCodes.invalidInput, 'A password is given in more than one way.', {
    hint: 'Give the password, a file with it, or a command that prints it.',
  });
}

/** As `givenPassword`; none is `TM1001` as well. */
export function requiredPassword(fields: PasswordFields): PasswordSource {
  const source = givenPassword(fields);
  if (source !== undefined) return source;
  throw new TidemarkError(errorCodes.invalidInput, 'A password is needed.', {
    hint: 'Give the password, a file with it, or a command that prints it.',
  });
}

/** What clients are told of a source. */
export function sourceKind(source: PasswordSource): 'stored' | 'file' | 'command' {
  if (typeof source === 'string') return 'stored';
  return 'file' in source ? 'file' : 'command';
}

/** The password as it is now. Throws `TM1001` for a path that is not absolute, `TM1003` for a file, `TM5205` for a command that gives none. */
export async function readPassword(source: PasswordSource, signal: AbortSignal): Promise<string> {
  throwIfAborted(signal);
  if (typeof source === 'string') return source;
  return 'file' in source ? fromFile(source.file) : fromCommand(source.command, signal);
}

async function fromFile(path: string): Promise<string> {
  refuseRelative(path, 'password file');
  const found = await stat(path).catch(() => undefined);
  // A pipe or device would be waited for without end, or never end.
  if (found !== undefined && (!found.isFile() || found.size > maxOutputBytes)) {
    throw new TidemarkError(errorCodes.invalidFile, `${path} is not a file with a password.`, {
      hint: 'Give the path of a file whose first line is the password.',
    });
  }
  return checked(await readPasswordFile(path), `The password file ${path}`);
}

/** Neither the arguments nor the output appear in any error: both may be secrets. */
async function fromCommand([program = '', ...args]: readonly string[], signal: AbortSignal): Promise<string> {
  refuseRelative(program, 'password command');
  const what = `The password command ${program}`;
  const output = await new Promise<string>((resolve, reject) => {
    const options = {
      signal,
      timeout: commandTimeoutMs,
      maxBuffer: maxOutputBytes,
      windowsHide: true,
      shell: false,
      encoding: 'utf8',
    } as const;
    const child = execFile(program, args, options, (error, stdout) => {
      if (error === null) resolve(stdout);
      else if (signal.aborted) reject(TidemarkError.is(signal.reason) ? signal.reason : cancelledError());
      else reject(unavailable(`${what} failed: ${reasonOf(error)}.`));
    });
    child.stdin?.end();
  });
  const [line = ''] = output.split(/\r?\n/, 1);
  return checked(line, what);
}

/** Node's message of a failed command quotes its arguments: only what cannot hold a secret is said. */
function reasonOf(error: {
  readonly code?: number | string | null | undefined;
  readonly killed?: boolean | undefined;
}): string {
  if (error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return 'it says more than a password';
  if (error.killed === true) return `it did not end within ${commandTimeoutMs / 1000} s`;
  if (typeof error.code === 'number') return `it ended with exit code ${error.code}`;
  return error.code ?? 'it was ended by a signal';
}

function refuseRelative(path: string, what: string): void {
  if (isAbsolute(path)) return;
  throw new TidemarkError(errorCodes.invalidInput, `The path of a ${what} must be absolute.`, {
    hint: 'The daemon does not know the directory you are in. The path is one on the machine of the daemon.',
  });
}

function checked(password: string, what: string): string {
  if (password !== '' && password.length <= maxPasswordLength) return password;
  throw unavailable(`${what} gives ${password === '' ? 'no password' : 'something too long for a password'}.`);
}

function unavailable(message: string): TidemarkError {
  return new TidemarkError(errorCodes.passwordUnavailable, message, {
    hint: 'The first line of its output must be the password. It runs on the machine of the daemon, as the user of the daemon, without input.',
  });
}
