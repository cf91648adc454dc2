import type { BootstrapAgent } from './agent';

/** Nothing at all; the files that every image has come later. */
export const scratch: BootstrapAgent = { fill: async () => ({ carried: {} }) };
