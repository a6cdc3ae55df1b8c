/** What a user types about a host, checked as it is typed. */
import type { HostEntry } from '../../../server/protocol/daemon.ts';
import { l10n } from '../../base/l10n.ts';
import { nameProblem } from './names.ts';

/** What is known of the hosts that are there. */
export type KnownHost = Pick<HostEntry, 'name' | 'url'>;

/** Port of an agent where the URL names none. */
const defaultPort = '8440';
/** Most disk parts that a host exports at a time. */
export const maxThreads = 16;
/** What the agent does without being told otherwise. */
export const defaultThreads = 2;
/** Connecting and proving both sides, over a slow link, ms. */
export const connectTimeoutMs = 60_000;

/** Why `text` cannot be the URL of a host; `own` is the host that is being edited. */
export function urlProblem(text: string, known: readonly KnownHost[], own?: string): string | undefined {
  const url = normalUrl(text);
  if (url === undefined) return l10n.t('Enter the agent as https://host or https://host:8440, without a path.');
  const taken = known.find((host) => host.name !== own && normalUrl(host.url) === url);
  return taken === undefined ? undefined : l10n.t('Host {0} has this address already.', taken.name);
}

/** The URL with its port written out, to compare; undefined when it is not the URL of an agent. */
export function normalUrl(text: string): string | undefined {
  const trimmed = text.trim();
  const url = URL.canParse(trimmed) ? new URL(trimmed) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) return undefined;
  if (url.hostname === '' || url.username !== '' || url.password !== '') return undefined;
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') return undefined;
  // `URL` drops a port that is the scheme's own, which is not an agent's.
  const explicit = /^https?:\/\/(?:\[[^\]]*\]|[^:/?#[\]]*):(\d+)/i.exec(trimmed)?.[1];
  return `${url.protocol}//${url.hostname}:${explicit ?? defaultPort}`;
}

/** Whether everything but the password goes over this connection in the clear. */
export function isUnencrypted(url: string): boolean {
  return /^http:/i.test(url.trim());
}

/** A name for a new host: the first part of its DNS name, or its address, made unique. */
export function suggestedHostName(url: string, known: readonly KnownHost[]): string {
  const { hostname } = new URL(url.trim());
  const isAddress = /^[\d.]+$|:/.test(hostname);
  const first = isAddress ? hostname : (hostname.split('.', 1)[0] ?? hostname);
  const base = first.replaceAll(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+|-+$/g, '') || 'host';
  const taken = new Set(known.map(({ name }) => name));
  if (!taken.has(base)) return base;
  let number = 2;
  while (taken.has(`${base}-${number}`)) number++;
  return `${base}-${number}`;
}

/** Why `text` cannot be the name of a new host. */
export function hostNameProblem(text: string, known: readonly KnownHost[]): string | undefined {
  return nameProblem(
    text,
    known.map(({ name }) => name),
  );
}

/** Why `text` is no number of export threads. */
export function threadsProblem(text: string): string | undefined {
  const threads = /^\d{1,3}$/.test(text.trim()) ? Number(text) : 0;
  return threads >= 1 && threads <= maxThreads ? undefined : l10n.t('Enter a whole number from 1 to {0}.', maxThreads);
}

/** What the number of threads is about. */
export function threadsPrompt(): string {
  return l10n.t('How many disk parts the host reads at a time. More is faster and loads the host more.');
}
