/** Values as a policy file writes them. */
/** Words and patterns that are texts without quotes, in brackets too. */
const plainText = /^[A-Za-z][\w.?*/@+-]*(?: [\w.?*/@+-]+)*$/;
const plainMeasure = /^\d+(?:[smhd]|(?:[KMGTP]i)?B\/s)$/;
const plainAddress = /^https?:\/\/[\w./?=&%~:-]*[\w/]$/;
/** What YAML takes for something else, or took for it before version 1.2, as other tools still do. */
const otherwiseMeant = /^(?:true|false|null|yes|no|on|off|y|n)$/i;

/** A text as YAML needs it: in quotes when it would be something else without them. */
export function writtenText(text: string): string {
  const plain = plainText.test(text) || plainMeasure.test(text) || plainAddress.test(text);
  return plain && !otherwiseMeant.test(text) ? text : JSON.stringify(text);
}
