/** The description of the MSI for wixl. `files`: what is packed, by its path in the package. */
export function wxsOf(files: readonly { readonly name: string }[], version: string, productCode?: string): string;
