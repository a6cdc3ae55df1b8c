/**
 * The credential file of an agent: what SCRAM keeps of its password (RFC 5802 section 3), so that a service can check the password without having it. Whoever
 * reads the file can play the agent and guess the password off line, but cannot log in with it.
 */
import { readJsonFile, writeFileDurably } from '../../base/files.ts';
import { scramCredential, scramIterations } from '../../base/scram.ts';
import type { ScramCredential } from '../../base/scram.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import { integer, literal, string } from '../../protocol/parse.ts';
import { strictObject } from './strict-object.ts';

/**
 * Iterations of a stored credential: it lies on a disk for years, so each guess at it costs more than one at a recorded exchange
 * must (OWASP's figure for PBKDF2-HMAC-SHA256). A daemon pays some 0.3 s of it for each connection it makes, the agent nothing.
 */
const storedIterations = 600_000;
const maxBytes = 16 * 1024;

const base64 = (bytes: number): ReturnType<typeof string> =>
  string({
    maxLength: 64,
    pattern: new RegExp(`^[A-Za-z0-9+/]{${Math.ceil((bytes * 4) / 3)}}={0,2}$`),
    what: `${bytes} bytes in base64`,
  });

const format = strictObject({
  format: literal('tidemark-agent-credential'),
  version: literal(1),
  mechanism: literal('SCRAM-SHA-256'),
  iterations: integer(scramIterations.min, scramIterations.max),
  salt: base64(16),
  storedKey: base64(32),
  serverKey: base64(32),
});

/** Makes a credential of a password, as it is to be stored: some 0.3 s of work. Throws `TM1002` for an empty password. */
export async function storedCredential(password: string): Promise<ScramCredential> {
  if (password === '') {
    throw new TidemarkError(errorCodes.invalidUsage, 'The password of an agent must not be empty.', {
      hint: 'Choose a long random one.',
    });
  }
  return scramCredential(password, { iterations: storedIterations });
}

/** Writes a credential so that only the account that writes may read it (mode 0600). */
export async function writeCredentialFile(path: string, credential: ScramCredential): Promise<void> {
  const { salt, iterations, storedKey, serverKey } = credential;
  const document = {
    format: 'tidemark-agent-credential',
    version: 1,
    mechanism: 'SCRAM-SHA-256',
    iterations,
    salt: salt.toString('base64'),
    storedKey: storedKey.toString('base64'),
    serverKey: serverKey.toString('base64'),
  };
  await writeFileDurably(path, `${JSON.stringify(document, undefined, 2)}\n`, { mode: 0o600 });
}

/** Reads a credential file. Throws `TM1003` when it is missing or is none. */
export async function readCredentialFile(path: string): Promise<ScramCredential> {
  const parsed = await readJsonFile(path, format, maxBytes).catch((error: unknown) => {
    throw unusable(path, TidemarkError.is(error) ? error.message : 'It cannot be read.', error);
  });
  if (parsed === undefined) throw unusable(path, 'It does not exist.');
  const bytes = (text: string): Buffer => Buffer.from(text, 'base64');
  const { iterations, salt, storedKey, serverKey } = parsed;
  return {
    hash: 'sha256',
    salt: bytes(salt),
    iterations,
    storedKey: bytes(storedKey),
    serverKey: bytes(serverKey),
  };
}

function unusable(path: string, why: string, cause?: unknown): TidemarkError {
  return new TidemarkError(errorCodes.invalidFile, `The credential file ${path} cannot be used. ${why}`, {
    hint: '`tidemark agent set-up --password-file FILE` writes a new one.',
    cause,
  });
}
