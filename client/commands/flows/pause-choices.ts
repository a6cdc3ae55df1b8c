/** For how long a policy can be paused. */
import { l10n } from '../../base/l10n.ts';
import { timeText } from '../../views/tree/texts.ts';

const hourMs = 3_600_000;

/** Until when, a time of the protocol; without one until somebody resumes it. */
export interface PauseChoice {
  readonly label: string;
  readonly until: string | undefined;
}

/** The choices at `now`, ms since 1970. */
export function pauseChoices(now: number): readonly PauseChoice[] {
  const tomorrow = new Date(now);
  tomorrow.setDate(tomorrow.getDate() + 1);
  tomorrow.setHours(6, 0, 0, 0);
  const until = (at: number): string => new Date(at).toISOString();
  return [
    { label: l10n.t('Until somebody resumes it'), until: undefined },
    { label: l10n.t('For an hour'), until: until(now + hourMs) },
    { label: l10n.t('For eight hours'), until: until(now + 8 * hourMs) },
    { label: l10n.t('Until {0}', timeText(tomorrow.getTime())), until: until(tomorrow.getTime()) },
    { label: l10n.t('For a week'), until: until(now + 7 * 24 * hourMs) },
  ];
}
