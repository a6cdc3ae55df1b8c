/** Passwords as they are typed: what is too weak, and where else a password can come from. Nothing here keeps one. */
import { l10n } from '../../base/l10n.ts';
import { pathProblem } from './paths.ts';
import type { PathStyle } from './paths.ts';

/** Fewest characters of the password of a repository. */
const shortest = 8;
/** As the protocol allows. */
const longest = 1024;

/** How good a password is against somebody who has the repository and guesses. */
export type Strength = 'weak' | 'fair' | 'good';

/**
 * An estimate by length and kinds of characters: bits as if every character were chosen at random, without what repeats. Good for
 * a hint, not for a proof.
 */
export function strengthOf(password: string): Strength {
  const kinds = [/[a-z]/, /[A-Z]/, /\d/, /[^A-Za-z\d]/].filter((kind) => kind.test(password)).length;
  const perCharacter = [0, 4, 5, 5.6, 6][kinds] ?? 0;
  const distinct = new Set(password).size;
  const bits = Math.min(password.length, distinct * 2) * perCharacter;
  if (bits < 50) return 'weak';
  return bits < 80 ? 'fair' : 'good';
}

/** Why `text` cannot be the password of a new repository. */
export function newPasswordProblem(text: string): string | undefined {
  if (text.length < shortest)
    return l10n.t('At least {0} characters. A few words in a row are easy to keep.', shortest);
  if (new Set(text).size < 4) return l10n.t('Use more than a few different characters.');
  return passwordProblem(text);
}

/** Why `text` cannot be a password at all. */
export function passwordProblem(text: string): string | undefined {
  if (text === '') return l10n.t('Enter the password.');
  if (text.length > longest) return l10n.t('At most {0} characters.', longest);
  return undefined;
}

/** Said while the password is typed again. */
export function strengthText(password: string): string {
  const texts: Readonly<Record<Strength, string>> = {
    weak: l10n.t(
      'Strength: weak. It can be guessed by whoever gets hold of the repository; Back lets you choose a longer one.',
    ),
    fair: l10n.t('Strength: fair. A longer one is better for backups that are kept for years.'),
    good: l10n.t('Strength: good.'),
  };
  return texts[strengthOf(password)];
}

/** A program with its arguments, as typed: blanks separate, double quotes keep together. Undefined when a quote does not end. */
export function commandWords(text: string): readonly string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let quoted = false;
  for (const character of text) {
    if (character === '"') {
      quoted = !quoted;
      word ??= '';
    } else if (!quoted && /\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + character;
  }
  if (quoted) return undefined;
  return word === undefined ? words : [...words, word];
}

/** Why `text` cannot be the program that gives a password. */
export function commandProblem(text: string, style: PathStyle): string | undefined {
  const words = commandWords(text);
  return words === undefined ? l10n.t('A double quote has no end.') : pathProblem(words[0] ?? '', style);
}
