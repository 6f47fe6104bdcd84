/** How much is drawn at once. */

/** Rows of a table or list; a node has more endpoints than a panel can hold. */
export const LONGEST = 200;
