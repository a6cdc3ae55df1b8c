/** The problems a verification found in files as a whole. */
import type { VerifyProblem } from '../../protocol/daemon.ts';
import { TidemarkError } from '../../protocol/errors.ts';
import type { ErrorReport } from '../../protocol/errors.ts';
import type { RestorePointId } from '../../protocol/ids.ts';

/** Problems by file; the first of each file counts. */
export class Findings {
  readonly #problems = new Map<string, VerifyProblem>();
  #points: readonly RestorePointId[] = [];

  /** Every restore point there is, readable or not: whom a problem of `all` hits. Call it before adding problems. */
  setPoints(points: readonly RestorePointId[]): void {
    this.#points = points;
  }

  get points(): readonly RestorePointId[] {
    return this.#points;
  }

  has(file: string): boolean {
    return this.#problems.has(file);
  }

  add(file: string, error: unknown, restorePoints: 'all' | readonly RestorePointId[]): void {
    this.addReport(file, TidemarkError.from(error).report(), restorePoints === 'all' ? this.#points : restorePoints);
  }

  /** As `add`, with an error that came from a worker. */
  addReport(file: string, error: ErrorReport, restorePoints: readonly RestorePointId[]): void {
    if (!this.#problems.has(file)) this.#problems.set(file, { what: file, error, restorePoints });
  }

  problems(): readonly VerifyProblem[] {
    return [...this.#problems.values()];
  }
}
