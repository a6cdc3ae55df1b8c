/** What is asked before restore points are deleted. */
import type { RestorePointInfo } from '../../../server/protocol/model.ts';
import { l10n } from '../../base/l10n.ts';
import { timeText } from '../../views/tree/texts.ts';

/** Named one by one up to this many. */
const maxNamed = 10;

/** The question, which names every restore point or says how many more there are. */
export function deletionQuestion(points: readonly Pick<RestorePointInfo, 'vmName' | 'createdAt' | 'repository'>[]): {
  readonly message: string;
  readonly detail: string;
} {
  const consequence = l10n.t(
    'This cannot be undone. Every other restore point stays complete. The space is free after the garbage of the repository is collected.',
  );
  const [first] = points;
  if (points.length === 1 && first !== undefined) {
    const { vmName, createdAt, repository } = first;
    return {
      message: l10n.t('Delete the restore point of {0} from {1}?', vmName, timeText(createdAt)),
      detail: `${l10n.t('In repository {0}.', repository)} ${consequence}`,
    };
  }
  const named = points
    .slice(0, maxNamed)
    .map(({ vmName, createdAt, repository }) =>
      l10n.t('{0} from {1}, in {2}', vmName, timeText(createdAt), repository),
    );
  const more = points.length - named.length;
  const rest = more > 0 ? [l10n.t('and {0} more', more)] : [];
  return {
    message: l10n.t('Delete {0} restore points?', points.length),
    detail: [...named, ...rest, '', consequence].join('\n'),
  };
}
