/** Words and figures of reports. */
import { formatDuration } from '../../base/format.ts';
import type { ErrorReport } from '../../protocol/errors.ts';

type ToldError = Omit<ErrorReport, 'code'> & { readonly code: string };

/** `1 restore point`, `2 restore points`. */
export function count(number: number, what: string): string {
  return number === 1 ? `1 ${what}` : `${number} ${what}s`;
}

/** `2026-03-01 02:00:05 UTC`. */
export function time(timestamp: string): string {
  return `${timestamp.slice(0, 10)} ${timestamp.slice(11, 19)} UTC`;
}

/** Between two moments; undefined when one is not known. */
export function took(from: string | undefined, to: string | undefined): string | undefined {
  if (from === undefined || to === undefined) return undefined;
  return formatDuration(Math.max(0, Date.parse(to) - Date.parse(from)));
}

/** `Host hv01 does not answer. (TM2001) Is its agent running?` */
export function errorText({ code, message, hint }: ToldError): string {
  return hint === undefined ? `${message} (${code})` : `${message} (${code}) ${hint}`;
}
