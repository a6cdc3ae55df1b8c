/** Files that people write: a field that means nothing is a slip, and is refused rather than ignored. */
import { object, refuse } from '../../protocol/parse.ts';
import type { ObjectOf, Parser } from '../../protocol/parse.ts';

/** As `object` of protocol/parse.ts, but refuses fields that the shape does not name. */
export function strictObject<const S extends Readonly<Record<string, Parser<unknown>>>>(shape: S): Parser<ObjectOf<S>> {
  const parse = object(shape);
  const known = Object.keys(shape);
  return (value, path) => {
    if (typeof value === 'object' && value !== null) {
      const strange = Object.keys(value).find((name) => !known.includes(name));
      if (strange !== undefined) refuse(path, `an object of ${known.join(', ')}, without ${JSON.stringify(strange)}`);
    }
    return parse(value, path);
  };
}
