/**
 * One function of the PowerShell module `Tidemark.HyperV` as the provider sees it: its name, what it is given, how its answer is
 * read. The arguments are the function's own parameters, by name; the files beside this one are the whole list.
 */
import type { Parser } from '../../../protocol/parse.ts';

/** What a parameter of the module may be. Never a script block, never text that becomes code. */
export type ArgumentValue =
  | string
  | number
  | boolean
  | readonly string[]
  | readonly { readonly [name: string]: string | number | boolean }[];

/** A function of the module. `A` are its parameters, `R` is what it answers. */
export interface Command<A extends object, R> {
  /** The function's name: `Get-TidemarkVm`. */
  readonly name: string;
  readonly result: Parser<R>;
  /** Only carries the type of the parameters. */
  readonly arguments?: A;
}

/** Describes a function of the module. */
export function command<A extends object, R>(name: `${string}-Tidemark${string}`, result: Parser<R>): Command<A, R> {
  return { name, result };
}
