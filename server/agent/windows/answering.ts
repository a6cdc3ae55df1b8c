/** Whether the agent that was just started serves: the last word of an installation. */
import { createHash } from 'node:crypto';
import { get as getHttp } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';
import { TLSSocket } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';

import { errorCodes, TidemarkError } from '../../protocol/errors.ts';

/** An agent that should answer on this computer. */
export interface ExpectedAgent {
  readonly tls: boolean;
  /** Where it listens; all addresses are asked at the loopback one. */
  readonly host: string;
  readonly port: number;
  /** SHA-256 of its certificate, lower-case hex. */
  readonly certificateSha256?: string | undefined;
}

const tryEveryMs = 500;
const oneTryMs = 5000;

/** Waits until the agent answers with its own certificate. Throws `TM1900` when it does not within `patienceMs`. */
export async function waitUntilAnswering(agent: ExpectedAgent, patienceMs: number): Promise<void> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const failure = await whyNotAnswering(agent);
    if (failure === undefined) return;
    if (Date.now() > deadline) {
      throw new TidemarkError(errorCodes.internal, `The agent does not answer on port ${agent.port}: ${failure}.`, {
        hint: String.raw`Look at logs\service.log and logs\agent.log in its data folder.`,
      });
    }
    await sleep(tryEveryMs);
  }
}

/** Why the agent does not answer now; undefined when it does. */
export async function whyNotAnswering({
  tls,
  host,
  port,
  certificateSha256,
}: ExpectedAgent): Promise<string | undefined> {
  const address = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const options = { host: address, port, path: '/', timeout: oneTryMs, agent: false };
  return await new Promise((resolve) => {
    const onAnswer = (response: IncomingMessage): void => {
      const { socket } = response;
      const shown =
        socket instanceof TLSSocket
          ? createHash('sha256').update(socket.getPeerCertificate().raw).digest('hex')
          : undefined;
      response.destroy();
      if (shown === certificateSha256 && response.statusCode === 200) resolve(undefined);
      else resolve(shown === certificateSha256 ? `status ${response.statusCode}` : 'another program answers there');
    };
    // Its certificate vouches for itself: what is compared is the hash.
    const request = tls ? getHttps({ ...options, rejectUnauthorized: false }, onAnswer) : getHttp(options, onAnswer);
    request.once('timeout', () => request.destroy(new Error('no answer')));
    request.once('error', (error) => resolve(error.message));
  });
}
