/** Sends a document to a webhook: one POST, one status, nothing else of the answer is looked at. */
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';

import { systemCode } from '../../base/files.ts';
import { errorCodes, throwIfAborted, TidemarkError } from '../../protocol/errors.ts';
import { withDeadline } from '../deadline.ts';

/** What is sent, and how. */
export interface WebhookPost {
  readonly url: string;
  /** JSON. */
  readonly body: string;
  /** The same at each attempt. */
  readonly id: string;
  readonly userAgent: string;
  /** The answer's status must be there after so long, ms. */
  readonly timeoutMs: number;
  /** PEM texts of whom to trust. */
  readonly ca: readonly string[];
  readonly signal: AbortSignal;
}

/** Which server the address is of, and no more: receivers have their secrets behind `?`, and many in the path (chat services do). */
export function shownWebhook(url: string): string {
  if (!URL.canParse(url)) return 'an address that is none';
  const { protocol, host, pathname, search } = new URL(url);
  return `${protocol}//${host}/${pathname + search === '/' ? '' : '…'}`.slice(0, 2048);
}

/** The parsed address. Throws `TM1001` for one that is not http or https, or holds a user or password. */
export function parseWebhookUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHttp = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (url === undefined || !isHttp) {
    throw new TidemarkError(errorCodes.invalidInput, 'The address of a webhook must begin with https:// or http://.');
  }
  if (url.username !== '' || url.password !== '') {
    throw new TidemarkError(errorCodes.invalidInput, 'The address of a webhook must hold no user and no password.', {
      hint: 'A token can stand in its path or behind a `?`.',
    });
  }
  return url;
}

/** Resolves when the other side answered with a status from 200 to 299. Redirects are not followed. Throws `TM7006`, `TM1001`. */
export async function postWebhook(post: WebhookPost): Promise<void> {
  const url = parseWebhookUrl(post.url);
  const shown = shownWebhook(post.url);
  const late = (): TidemarkError => failed(shown, `does not answer within ${post.timeoutMs / 1000} s`);
  await withDeadline(post.signal, post.timeoutMs, late, async (signal) => {
    const status = await statusOf(url, post, signal).catch((error: unknown) => {
      throwIfAborted(signal);
      throw failed(shown, `cannot be reached: ${reasonOf(error)}`, error);
    });
    if (status >= 300 && status < 400) {
      throw failed(shown, `answers with a redirect (status ${status}), which is not followed`);
    }
    if (status < 200 || status >= 300) throw failed(shown, `answers with status ${status}`);
  });
}

async function statusOf(url: URL, post: WebhookPost, signal: AbortSignal): Promise<number> {
  const body = Buffer.from(post.body);
  const options = {
    method: 'POST',
    signal,
    // A connection of its own, closed afterwards.
    agent: false,
    maxHeaderSize: 16 * 1024,
    headers: {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': body.length,
      'User-Agent': post.userAgent,
      'Idempotency-Key': post.id,
    },
  };
  const answered = Promise.withResolvers<number>();
  const onResponse = (response: IncomingMessage): void => {
    answered.resolve(response.statusCode ?? 0);
    // Whatever else it says is not read.
    response.destroy();
  };
  const request =
    url.protocol === 'https:'
      ? httpsRequest(url, { ...options, ca: [...post.ca] }, onResponse)
      : httpRequest(url, options, onResponse);
  request.on('error', answered.reject);
  request.end(body);
  return answered.promise;
}

/** Node's message may quote what must not be told; a code does not. */
function reasonOf(error: unknown): string {
  return systemCode(error) ?? 'the answer is not HTTP';
}

function failed(shown: string, what: string, cause?: unknown): TidemarkError {
  return new TidemarkError(errorCodes.notificationFailed, `${shown} ${what}.`, {
    hint: 'Check the address, and that its server is up and takes a JSON document by POST.',
    cause,
  });
}
