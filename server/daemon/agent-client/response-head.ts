/** The head of an HTTP/1.1 answer to an upgrade request (RFC 9110 section 7.8), read strictly and bounded. */
import { lockedOut } from '../../base/locked-out.ts';
import { dataUpgrade } from '../../protocol/agent.ts';
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';

/** An agent's answer is a few hundred bytes. */
const maxHeadBytes = 8192;

function refuse(what: string): TidemarkError {
  return new TidemarkError(errorCodes.agentProtocolViolation, what);
}

/** Collects the head of the answer. */
export class ResponseHead {
  readonly headers = new Map<string, string>();
  readonly #upgrade: string;
  #bytes = Buffer.alloc(0);
  #status = 0;
  #complete = false;

  /** `upgrade`: the protocol that must be switched to. */
  constructor(upgrade: string) {
    this.#upgrade = upgrade;
  }

  /** The status of the answer; 0 before it came. */
  get status(): number {
    return this.#status;
  }

  /** Whether the head has ended. */
  get complete(): boolean {
    return this.#complete;
  }

  /** Takes bytes; gives what follows the head once it is complete. Throws `TM2004` with the bare reason when it is not HTTP, too long, or no `101`, and `TM2007` when the agent refuses this address for now. */
  push(bytes: Buffer): Buffer | undefined {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    const end = this.#bytes.subarray(0, maxHeadBytes).indexOf('\r\n\r\n');
    if (end < 0) {
      if (this.#bytes.length >= maxHeadBytes || !couldBeHttp(this.#bytes)) throw refuse('its answer is not HTTP');
      return undefined;
    }
    this.#parse(this.#bytes.toString('latin1', 0, end));
    this.#complete = true;
    const rest = this.#bytes.subarray(end + 4);
    this.#bytes = Buffer.alloc(0);
    return rest;
  }

  #parse(text: string): void {
    const [status = '', ...lines] = text.split('\r\n');
    const code = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(status)?.[1];
    if (code === undefined) throw refuse('its answer is not HTTP');
    this.#status = Number(code);
    if (code === '429') throw lockedOut(retryAfterMs(lines));
    if (code === '503' && this.#upgrade === dataUpgrade) throw busy();
    if (code !== '101') throw refuse(`it answered with HTTP status ${code}`);
    for (const line of lines) {
      const match = /^([!-9;-~]+):[ \t]*(.*?)[ \t]*$/.exec(line);
      if (match?.[1] === undefined) throw refuse('its answer is not HTTP');
      this.headers.set(match[1].toLowerCase(), match[2] ?? '');
    }
    if (this.headers.get('upgrade')?.toLowerCase() !== this.#upgrade) throw refuse('it switched to another protocol');
  }
}

function busy(): TidemarkError {
  return new TidemarkError(errorCodes.agentBusy, 'The agent has as many data connections as it takes at a time.', {
    hint: 'Wait until other backups and restores of this host have ended, or use fewer threads.',
  });
}

/** `Retry-After` in seconds (RFC 9110 section 10.2.3); a minute when it is missing or absurd. */
function retryAfterMs(lines: readonly string[]): number {
  const seconds = lines
    .map((line) => /^retry-after:[ \t]*(\d{1,6})[ \t]*$/i.exec(line)?.[1])
    .find((found) => found !== undefined);
  return seconds === undefined ? 60_000 : Number(seconds) * 1000;
}

function couldBeHttp(bytes: Buffer): boolean {
  const begin = 'HTTP/1.1 ';
  const seen = bytes.toString('latin1', 0, begin.length);
  return begin.startsWith(seen) || seen.startsWith(begin);
}
