/** The commands about keys and signatures, which lie in a bundle of their own (scripts/bundle.mjs). */
export * as keyExport from './commands/key-export';
export * as keyImport from './commands/key-import';
export * as keyList from './commands/key-list';
export * as keyNewpair from './commands/key-newpair';
export * as keyPull from './commands/key-pull';
export * as keyPush from './commands/key-push';
export * as keyRemove from './commands/key-remove';
export * as keySearch from './commands/key-search';
export * as sign from './commands/sign';
export * as verify from './commands/verify';
