/** Matches exactly this text in Playwright's `hasText`. */
export const exactly = (text: string): RegExp => new RegExp(`^\\s*${escaped(text)}\\s*$`);

/** Matches a text that begins with this. */
export const beginning = (text: string): RegExp => new RegExp(`^\\s*${escaped(text)}`);

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
