import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { format, formatText } from '../../../server/language/format/format.ts';
import { contractExample } from '../policy/contract.ts';
import { documentOf, edited } from './support.ts';

function formatted(text: string): string {
  const document = documentOf(text);
  return edited(document, format(document));
}

describe('formatting', () => {
  it('leaves the example of the documentation as it is', () => {
    assert.equal(formatted(contractExample), contractExample);
  });

  it('indents by two, sets spaces, and keeps comments, quotes and brackets', () => {
    const text = `


name:   x   # why
select:
- host:  'hv01'
  # about the VMs
  vms: [ a,b ,"c" ]
  exclude:
  - x
  -   y   


# behind
retention: {keepLast:  3,keepDaily: 4}
notify: { }
disks:
        exclude:
                - z
`;
    const wanted = `name: x   # why
select:
  - host: 'hv01'
    # about the VMs
    vms: [a, b, "c"]
    exclude:
      - x
      - y

# behind
retention: { keepLast: 3, keepDaily: 4 }
notify: {}
disks:
  exclude:
    - z
`;
    assert.equal(formatted(text), wanted);
    assert.equal(formatted(wanted), wanted);
  });

  it('keeps the lines of texts and brackets that go over several lines', () => {
    const text =
      'select:\n-   host: a\n    vms: [\n      b,\n      c,\n    ]\nx:\n    description: |\n        one\n          two\n\n        three\n';
    const wanted =
      'select:\n  - host: a\n    vms: [\n      b,\n      c,\n    ]\nx:\n  description: |\n      one\n        two\n\n      three\n';
    assert.equal(formatted(text), wanted);
    assert.equal(formatted(wanted), wanted);
  });

  it('keeps line breaks of Windows', () => {
    assert.equal(formatted('a:  1\r\n\r\n\r\nb: |\r\n  x\r\n'), 'a: 1\r\n\r\nb: |\r\n  x\r\n');
  });

  it('leaves alone what is no valid YAML', () => {
    for (const text of ['a: [', 'a:  b: c', '\ta:  1', 'a: &x  1\nb: *x', '']) assert.equal(formatted(text), text);
  });

  it('changes only the lines that need it', () => {
    const [edit] = format(documentOf('name: x\nrepository:   main\nverify: never\n'));
    assert.equal(edit?.range.start.line, 1);
    assert.equal(edit?.range.end.line, 1);
  });

  it('gives nothing for a file that is only comments', () => {
    assert.equal(formatText('# a\n'), undefined);
  });
});
