/** How the module answers: the result of the function, or what went wrong with everything that classifies it. Never matched by English words. */
import { array, integer, nullable, object, optional, string } from '../../../protocol/parse.ts';
import type { Parsed, Parser } from '../../../protocol/parse.ts';
import { jobError } from './jobs.ts';

const text = string({ maxLength: 65_536, allowEmpty: true });
const unsigned = integer(0, 4_294_967_295);

/** An error of the module, of a WMI method, or of PowerShell (hyperv-rct.md 2.3). */
export const moduleError = object({
  message: text,
  /** `Exception.GetType().FullName`. */
  type: text,
  /** `Exception.HResult` as an unsigned number. */
  hresult: unsigned,
  /** `FullyQualifiedErrorId`, or the id that the module itself gives: `VmNotFound`, `NotOwnCheckpoint` … */
  errorId: text,
  category: text,
  /** `CimException.NativeErrorCode`; empty for others. */
  nativeErrorCode: text,
  /** The WMI method that did not return 0 or 4096, and what it returned. */
  method: nullable(text),
  returnValue: nullable(unsigned),
  /** `Msvm_Error` texts that came with it. */
  details: array(jobError, 64),
});
export type ModuleError = Parsed<typeof moduleError>;

/** Either the one or the other is there. */
export interface Answer<R> {
  readonly result?: R | undefined;
  readonly error?: ModuleError | undefined;
}

/** The parser of the answers of a function. */
export function answer<R>(result: Parser<R>): Parser<Answer<R>> {
  return object({ result: optional(result), error: optional(moduleError) });
}
