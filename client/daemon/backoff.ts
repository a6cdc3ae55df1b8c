/** How long to wait before the next attempt. */

const delaysMs = [250, 500, 1000, 2000, 4000, 8000, 15_000, 30_000] as const;

/** Wait before attempt `attempt` (1 is the first), ms: doubling up to half a minute, up to a fifth less so that windows do not move in step. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const delay = delaysMs[Math.min(Math.max(attempt, 1), delaysMs.length) - 1] ?? 30_000;
  return Math.round(delay * (1 - 0.2 * random()));
}
