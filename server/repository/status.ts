/** The figures of a repository. */
import { errorCodes, TidemarkError } from '../protocol/errors.ts';
import type { RepositoryFigures } from './api.ts';
import type { RepositoryCore } from './core.ts';

/** Gathers the figures. */
export async function repositoryStatus(_core: RepositoryCore, _signal: AbortSignal): Promise<RepositoryFigures> {
  throw new TidemarkError(errorCodes.internal, 'Figures are not part of this build.');
}
