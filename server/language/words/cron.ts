/** Cron expressions in words, also while they are being written. */
import { describeCron } from '../../policy/index.ts';

/** What an expression means; undefined for a text that is none. */
export function cronWords(text: string): string | undefined {
  try {
    return describeCron(text);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return undefined;
    throw error;
  }
}
