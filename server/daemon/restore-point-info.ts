/** What clients see of a restore point. */
import { restorePointInfo as parseInfo } from '../protocol/model.ts';
import type { RestorePointInfo } from '../protocol/model.ts';
import type { StoredRestorePoint } from '../repository/index.ts';

/** The public part of a stored restore point; `repository` is the name it is known under here. The parser drops what is the repository's own. */
export function restorePointInfo(point: StoredRestorePoint, repository: string): RestorePointInfo {
  return parseInfo({ ...point, repository }, 'restore point');
}
