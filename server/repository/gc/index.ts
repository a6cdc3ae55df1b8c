/** Garbage collection of a repository. */
import { errorCodes, TidemarkError } from '../../protocol/errors.ts';
import type { GcOptions, GcResult } from '../api.ts';
import type { RepositoryCore } from '../core.ts';

/** Collects garbage. */
export async function collectGarbage(_core: RepositoryCore, _options: GcOptions): Promise<GcResult> {
  throw new TidemarkError(errorCodes.internal, 'Garbage collection is not part of this build.');
}
