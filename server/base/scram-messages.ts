/** The texts of SCRAM messages (RFC 5802 section 7), read strictly: every attribute in its place, nothing unknown before the mandatory ones. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';

/** `printable` of the RFC: ASCII without control characters and comma. */
const noncePattern = /^[\x21-\x2b\x2d-\x7e]{1,512}$/;
const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const namePattern = /^(?:[^,=\0]|=2C|=3D)*$/;
const flagPattern = /^(?:n|y|p=[A-Za-z0-9.-]{1,64})$/;
const extensionPattern = /^[A-Za-z]=[^,\0]+$/;

/** The error of a message that is not SCRAM. */
export function malformed(why: string): TidemarkError {
  return new TidemarkError(
    errorCodes.agentProtocolViolation,
    `A message of the authentication exchange is wrong: ${why}.`,
    { hint: 'Check that the URL names a Tidemark agent of a matching version.' },
  );
}

/** A name as SCRAM writes it: `=` and `,` escaped. */
export function escapeName(name: string): string {
  return name.replaceAll('=', '=3D').replaceAll(',', '=2C');
}

/** The value of attribute `letter`, which must be next. */
function attribute(part: string | undefined, letter: string): string {
  if (part?.startsWith(`${letter}=`) !== true) throw malformed(`the attribute ${letter} is missing`);
  return part.slice(2);
}

function nonceOf(part: string | undefined): string {
  const nonce = attribute(part, 'r');
  if (!noncePattern.test(nonce)) throw malformed('the nonce is not printable');
  return nonce;
}

function bytesOf(part: string | undefined, letter: string): Buffer {
  const text = attribute(part, letter);
  if (text === '' || !base64Pattern.test(text)) throw malformed(`the attribute ${letter} is not base64`);
  return Buffer.from(text, 'base64');
}

function checkExtensions(parts: readonly string[]): void {
  if (!parts.every((part) => extensionPattern.test(part))) throw malformed('an extension is malformed');
}

/** client-first-message. `header` is the GS2 header with its last comma, `bare` the rest. */
export function parseClientFirst(text: string): {
  readonly flag: string;
  readonly header: string;
  readonly bare: string;
  readonly nonce: string;
} {
  const [flag = '', identity = '', ...rest] = text.split(',');
  if (!flagPattern.test(flag)) throw malformed('the channel binding flag is unknown');
  if (identity !== '' && !namePattern.test(attribute(identity, 'a'))) throw malformed('the identity is malformed');
  const [user, nonce, ...extensions] = rest;
  if (user?.startsWith('m=') === true) throw malformed('it asks for an unknown mandatory extension');
  if (!namePattern.test(attribute(user, 'n'))) throw malformed('the name is malformed');
  checkExtensions(extensions);
  return { flag, header: `${flag},${identity},`, bare: rest.join(','), nonce: nonceOf(nonce) };
}

/** server-first-message. */
export function parseServerFirst(text: string): {
  readonly nonce: string;
  readonly salt: Buffer;
  readonly iterations: number;
} {
  const [nonce, salt, iterations, ...extensions] = text.split(',');
  if (nonce?.startsWith('m=') === true) throw malformed('it asks for an unknown mandatory extension');
  checkExtensions(extensions);
  const count = attribute(iterations, 'i');
  if (!/^[1-9]\d{0,9}$/.test(count)) throw malformed('the iterations are not a number');
  return { nonce: nonceOf(nonce), salt: bytesOf(salt, 's'), iterations: Number(count) };
}

/** client-final-message. `channel` is the decoded cbind-input. */
export function parseClientFinal(text: string): {
  readonly channel: Buffer;
  readonly nonce: string;
  readonly proof: Buffer;
  readonly withoutProof: string;
} {
  const parts = text.split(',');
  const proof = bytesOf(parts.pop(), 'p');
  const [channel, nonce, ...extensions] = parts;
  checkExtensions(extensions);
  return { channel: bytesOf(channel, 'c'), nonce: nonceOf(nonce), proof, withoutProof: parts.join(',') };
}

/** server-final-message with a verifier: the server's signature. An `e=` is malformed here; errors travel as JSON-RPC errors. */
export function parseServerFinal(text: string): Buffer {
  const [verifier, ...extensions] = text.split(',');
  checkExtensions(extensions);
  return bytesOf(verifier, 'v');
}
