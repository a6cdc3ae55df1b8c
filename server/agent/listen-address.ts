/** Where an agent listens. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';

/** Where agents listen unless told otherwise. */
export const defaultAgentPort = 8440;

/** Where to listen. */
export interface ListenAddress {
  readonly tls: boolean;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

/** Reads `http://address:port` or `https://address:port`. Throws `TM1002`. */
export function parseListen(text: string): ListenAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const tls = url?.protocol === 'https:';
  if (url === undefined || (!tls && url.protocol !== 'http:') || url.pathname !== '/' || url.username !== '') {
    throw new TidemarkError(errorCodes.invalidUsage, `"${text}" is not an address to listen on.`, {
      hint: `Give it as https://0.0.0.0:${defaultAgentPort} or http://127.0.0.1:${defaultAgentPort}.`,
    });
  }
  // `URL` drops a port that is the scheme's own, and an absent one is ours.
  const explicit = /^https?:\/\/(?:\[[^\]]*\]|[^:/?#[\]]*):(\d+)/i.exec(text.trim())?.[1];
  const port = explicit === undefined ? defaultAgentPort : Number(explicit);
  return { tls, host: url.hostname.replace(/^\[|\]$/g, ''), port };
}
