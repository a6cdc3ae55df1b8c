/** Addresses as users write them: `https://host[:port]`. */

/** Host (IPv6 without brackets) and port of a URL without path, user and query; undefined when it is something else. */
export function parseHttpsUrl(
  text: string,
  defaultPort: number,
): { readonly host: string; readonly port: number } | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '') return undefined;
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') return undefined;
  // `URL` drops a port that is the scheme's own, which is not ours.
  const explicit = /^https:\/\/(?:\[[^\]]*\]|[^:/?#[\]]*):(\d+)/i.exec(text.trim())?.[1];
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: explicit === undefined ? defaultPort : Number(explicit) };
}
