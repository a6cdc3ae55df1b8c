/** How lists name VMs: by name, and as precisely as is needed where two of them share it. */

/** A VM in a list. */
export interface LabelledVm {
  readonly vmId: string;
  readonly vm: string;
  readonly host?: string | undefined;
}

/** The name of each VM of a list: `sql01`; `hv01/sql01` where another one has the name; with the start of its id where that is on the same host. */
export function vmLabels(listed: readonly LabelledVm[]): (vm: LabelledVm) => string {
  const ids = new Map<string, Set<string>>();
  const add = (name: string, vmId: string): void => {
    const known = ids.get(name);
    if (known === undefined) ids.set(name, new Set([vmId]));
    else known.add(vmId);
  };
  for (const one of listed) {
    add(one.vm, one.vmId);
    add(withHost(one), one.vmId);
  }
  const isShared = (name: string): boolean => (ids.get(name)?.size ?? 0) > 1;
  return (one) => {
    if (!isShared(one.vm)) return one.vm;
    const name = withHost(one);
    return isShared(name) ? `${name} (${one.vmId.slice(0, 8)})` : name;
  };
}

function withHost({ host, vm }: LabelledVm): string {
  return host === undefined ? vm : `${host}/${vm}`;
}
