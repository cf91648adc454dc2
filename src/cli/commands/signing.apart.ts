/** The commands about keys and signatures, which lie in a bundle of their own (scripts/bundle.mjs). */
export * as keyExport from './signing/key-export';
export * as keyImport from './signing/key-import';
export * as keyList from './signing/key-list';
export * as keyNewpair from './signing/key-newpair';
export * as keyPull from './signing/key-pull';
export * as keyPush from './signing/key-push';
export * as keyRemove from './signing/key-remove';
export * as keySearch from './signing/key-search';
export * as sign from './signing/sign';
export * as verify from './signing/verify';
