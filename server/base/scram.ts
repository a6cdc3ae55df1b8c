/**
 * SCRAM (RFC 5802) with SHA-256 (RFC 7677), both sides, as state machines without I/O: each method takes the peer's
 * message and gives the next one. With a channel binding this is SCRAM-SHA-256-PLUS.
 *
 * The user name is ignored whatever it is. The password is normalised with NFKC only, the one step of SASLprep
 * (RFC 4013) that changes how the same password typed on two systems is encoded; nothing is prohibited or mapped.
 */
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import * as message from './scram-messages.ts';

const pbkdf2Async = promisify(pbkdf2);

/** SHA-256 always; SHA-1 exists for the examples of RFC 5802 section 5 in the tests. */
export type ScramHash = 'sha256' | 'sha1';

/** What the connection is bound to: nothing (plain http), or the server's certificate (RFC 5929 section 4). */
export type ChannelBinding =
  | { readonly type: 'none' }
  | { readonly type: 'tls-server-end-point'; readonly data: Uint8Array };

/**
 * Iterations a client accepts. Below what our own agents use, somebody who only plays the agent could ask for a proof that is cheap to guess the
 * password from (RFC 5802 section 9); above, a hostile server burns our time.
 */
export const scramIterations = { min: 100_000, max: 1_000_000 } as const;

/** What a server keeps of a password (RFC 5802 section 3): enough to check it, not enough to log in elsewhere. */
export interface ScramCredential {
  readonly hash: ScramHash;
  readonly salt: Buffer;
  readonly iterations: number;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

const hmac = (hash: ScramHash, key: Uint8Array, data: string | Uint8Array): Buffer =>
  createHmac(hash, key).update(data).digest();
const digest = (hash: ScramHash, data: Uint8Array): Buffer => createHash(hash).update(data).digest();

function xor(left: Uint8Array, right: Uint8Array): Buffer {
  return Buffer.from(left.map((byte, index) => byte ^ (right[index] ?? 0)));
}

async function deriveKeys(
  hash: ScramHash,
  password: string,
  salt: Uint8Array,
  iterations: number,
): Promise<{ readonly clientKey: Buffer; readonly serverKey: Buffer }> {
  const length = hash === 'sha256' ? 32 : 20;
  const salted = await pbkdf2Async(password.normalize('NFKC'), salt, iterations, length, hash);
  return { clientKey: hmac(hash, salted, 'Client Key'), serverKey: hmac(hash, salted, 'Server Key') };
}

/** Derives what a server keeps. The default of 100,000 iterations costs some 50 ms per connection and slows down guessing from a recorded exchange. */
export async function scramCredential(
  password: string,
  options: { readonly salt?: Buffer; readonly iterations?: number; readonly hash?: ScramHash } = {},
): Promise<ScramCredential> {
  const { salt = randomBytes(16), iterations = scramIterations.min, hash = 'sha256' } = options;
  const { clientKey, serverKey } = await deriveKeys(hash, password, salt, iterations);
  return { hash, salt, iterations, storedKey: digest(hash, clientKey), serverKey };
}

/** Prefix of what is authenticated to make the data key; see `dataKey` of the two machines. */
const dataKeyLabel = 'tidemark data key';

function deriveDataKey(clientKey: Uint8Array, authMessage: string): Buffer {
  return createHmac('sha256', clientKey).update(dataKeyLabel).update(authMessage).digest();
}

const newNonce = (): string => randomBytes(18).toString('base64');

/** The server's side of one exchange. Methods are called once each, in the order `first`, `final`. */
export class ScramServer {
  readonly #credential: ScramCredential;
  readonly #binding: ChannelBinding;
  readonly #ownNonce: string;
  #sent:
    | { readonly header: string; readonly nonce: string; readonly bare: string; readonly serverFirst: string }
    | undefined;

  constructor(credential: ScramCredential, binding: ChannelBinding, nonce: string = newNonce()) {
    this.#credential = credential;
    this.#binding = binding;
    this.#ownNonce = nonce;
  }

  /**
   * Takes client-first, gives server-first. Throws `TM2004` for a malformed message, and `TM2003` when client and server disagree
   * about the channel: a binding on a connection that has none, none (`n`) or a believed absence (`y`) on one that has.
   */
  first(clientFirst: string): string {
    const parsed = message.parseClientFirst(clientFirst);
    this.#checkFlag(parsed.flag);
    const nonce = parsed.nonce + this.#ownNonce;
    const { salt, iterations } = this.#credential;
    const serverFirst = `r=${nonce},s=${salt.toString('base64')},i=${iterations}`;
    this.#sent = { header: parsed.header, nonce, bare: parsed.bare, serverFirst };
    return serverFirst;
  }

  #checkFlag(flag: string): void {
    const bound = this.#binding.type !== 'none';
    if (bound ? flag === `p=${this.#binding.type}` : flag === 'n' || flag === 'y') return;
    throw channelMismatch();
  }

  /**
   * Takes client-final, gives server-final and the session's data key: HMAC-SHA-256(ClientKey, "tidemark data key" ‖ AuthMessage).
   * A server learns ClientKey only from a right proof. Throws `TM2003` for another channel, `TM2002` for a wrong password, `TM2004` for garbage.
   */
  final(clientFinal: string): { readonly message: string; readonly dataKey: Buffer } {
    const sent = this.#sent;
    this.#sent = undefined;
    if (sent === undefined) throw message.malformed('it came out of turn');
    const parsed = message.parseClientFinal(clientFinal);
    if (!equal(parsed.channel, channelInput(sent.header, this.#binding))) throw channelMismatch();
    if (parsed.nonce !== sent.nonce) throw message.malformed('the nonce is another one');
    const { hash, storedKey, serverKey } = this.#credential;
    const authMessage = `${sent.bare},${sent.serverFirst},${parsed.withoutProof}`;
    const signature = hmac(hash, storedKey, authMessage);
    if (parsed.proof.length !== signature.length) throw message.malformed('the proof has a wrong length');
    const clientKey = xor(parsed.proof, signature);
    if (!equal(digest(hash, clientKey), storedKey)) throw wrongPassword();
    const verifier = hmac(hash, serverKey, authMessage).toString('base64');
    return { message: `v=${verifier}`, dataKey: deriveDataKey(clientKey, authMessage) };
  }
}

/** The client's side of one exchange. Methods are called once each, in the order `first`, `final`, `verify`. */
export class ScramClient {
  readonly #password: string;
  readonly #binding: ChannelBinding;
  readonly #nonce: string;
  readonly #hash: ScramHash;
  readonly #minIterations: number;
  readonly #header: string;
  readonly #bare: string;
  #expected: { readonly serverSignature: Buffer; readonly dataKey: Buffer } | undefined;

  constructor(
    password: string,
    binding: ChannelBinding,
    options: {
      readonly nonce?: string;
      readonly user?: string;
      readonly hash?: ScramHash;
      /** Fewer than our agents use exist only in the examples of the RFCs. */
      readonly minIterations?: number;
    } = {},
  ) {
    this.#password = password;
    this.#binding = binding;
    this.#nonce = options.nonce ?? newNonce();
    this.#hash = options.hash ?? 'sha256';
    this.#minIterations = options.minIterations ?? scramIterations.min;
    this.#header = binding.type === 'none' ? 'n,,' : `p=${binding.type},,`;
    this.#bare = `n=${message.escapeName(options.user ?? 'tidemark')},r=${this.#nonce}`;
  }

  /** client-first. */
  first(): string {
    return this.#header + this.#bare;
  }

  /** Takes server-first, gives client-final. Throws `TM2004` for a malformed message, a foreign nonce, or iterations out of bounds. */
  async final(serverFirst: string): Promise<string> {
    const parsed = message.parseServerFirst(serverFirst);
    if (!parsed.nonce.startsWith(this.#nonce) || parsed.nonce === this.#nonce) {
      throw message.malformed('the nonce is another one');
    }
    if (parsed.iterations < this.#minIterations || parsed.iterations > scramIterations.max) {
      throw message.malformed(`${parsed.iterations} iterations are out of bounds`);
    }
    const hash = this.#hash;
    const { clientKey, serverKey } = await deriveKeys(hash, this.#password, parsed.salt, parsed.iterations);
    const channel = channelInput(this.#header, this.#binding).toString('base64');
    const withoutProof = `c=${channel},r=${parsed.nonce}`;
    const authMessage = `${this.#bare},${serverFirst},${withoutProof}`;
    const proof = xor(clientKey, hmac(hash, digest(hash, clientKey), authMessage));
    this.#expected = {
      serverSignature: hmac(hash, serverKey, authMessage),
      dataKey: deriveDataKey(clientKey, authMessage),
    };
    return `${withoutProof},p=${proof.toString('base64')}`;
  }

  /** Takes server-final and gives the session's data key. Throws `TM2002` when the server does not know the password, `TM2004` for garbage. */
  verify(serverFinal: string): Buffer {
    const expected = this.#expected;
    this.#expected = undefined;
    if (expected === undefined) throw message.malformed('it came out of turn');
    if (!equal(message.parseServerFinal(serverFinal), expected.serverSignature)) {
      throw new TidemarkError(
        errorCodes.agentAuthenticationFailed,
        'The agent could not prove that it knows the password.',
        { hint: 'Something else may be answering at this address. Check the URL and the agent.' },
      );
    }
    return expected.dataKey;
  }
}

/** What `c=` carries (RFC 5802 section 7, cbind-input): the GS2 header as it was sent, then the binding's data. */
function channelInput(header: string, binding: ChannelBinding): Buffer {
  const data = binding.type === 'none' ? Buffer.alloc(0) : binding.data;
  return Buffer.concat([Buffer.from(header, 'utf8'), data]);
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}

/** The error of a wrong password: one text for both ends. */
export function wrongPassword(): TidemarkError {
  return new TidemarkError(errorCodes.agentAuthenticationFailed, 'The agent refused the password.', {
    hint: 'Give the password that was chosen when the agent was installed.',
  });
}

/** The error of a connection that does not end where the other side sees it end. */
export function channelMismatch(): TidemarkError {
  return new TidemarkError(
    errorCodes.agentCertificateMismatch,
    'The encrypted connection does not end at the agent: somebody is in between, or one side uses http and the other https.',
    { hint: 'Check the URL and what lies between this computer and the host (a proxy that opens TLS cannot be used).' },
  );
}
