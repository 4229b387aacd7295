// V8's flags that the broker runs with, in the binary.

/** A small nursery: a third less memory in use at little cost of time. */
const nursery = "--max-semi-space-size=2";
/** Far above what follows from memory_limit: a ceiling can be lowered at the start, not raised. */
const ceiling = "--max-old-space-size-percentage=100";

export const runtimeFlags = [nursery, ceiling];
